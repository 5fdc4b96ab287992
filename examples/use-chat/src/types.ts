import type { UIMessage } from "ai";

/** The function that runs in this page: the user picks a colour. */
export type Tools = { pick_colour: { input: { question: string }; output: { colour: string } } };
/** What chatkeep says about an answer: docs/dialects.md, "What comes back". */
export type Metadata = { status?: string; model?: string };
export type Data = { handover: { from: string; to: string; reason: string } };
export type ChatMessage = UIMessage<Metadata, Data, Tools>;

/** The function as the service wants to have it declared: docs/functions.md, "Offer functions". */
export const tools = [
  {
    name: "pick_colour",
    description: "Let the user pick a colour.",
    parameters: {
      type: "object",
      properties: { question: { type: "string" } },
      required: ["question"],
      additionalProperties: false,
    },
  },
];
