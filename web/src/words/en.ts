// Every word of the page, in English. Other languages have the same names; the type checker tells if one is missing.
// A text with something in it is a function.

import { count } from "./count.ts";
import { account } from "./en-account.ts";

export const en = {
  // Everywhere
  untitled: "New chat",
  cancel: "Cancel",
  close: "Close",
  delete: "Delete",
  dismiss: "Dismiss",
  undo: "Undo",
  copy: "Copy",
  copied: "Copied",
  unreachable: "the service cannot be reached",
  failure: (summary: string, reason: string) => `${summary}: ${reason}`,

  // The list of chats
  chats: "Chats",
  newChat: "New chat",
  closeList: "Close the list",
  skipToChat: "Skip to the message field",
  showMore: "Show more",
  today: "Today",
  yesterday: "Yesterday",
  lastSevenDays: "Last seven days",
  earlier: "Earlier",
  answering: ", answering",
  unread: ", has a new answer",
  optionsFor: (title: string) => `Options for ${title}`,
  rename: "Rename",
  title: "Title",
  select: "Select",
  selectChat: (title: string) => `Select ${title}`,
  selectAll: "All",
  selected: (number: number) => `${number} selected`,
  selection: "Selected chats",
  deleted: (title: string) => `Deleted “${title}”`,
  deletedMany: (number: number) => `Deleted ${count(number, "chat", "chats")}`,
  deletionFailed: "It could not be deleted",
  loadingMoreFailed: "Could not load more",
  renamingFailed: "Could not rename",

  // The search
  search: "Search",
  searchAll: "Search all chats",
  searchResults: "Search results",
  searchFailed: "Could not search",
  found: (number: number, hasMore: boolean) =>
    number === 0 ? "Nothing found" : hasMore ? `The first ${number}` : `${number} found`,
  titleMatches: "Chats with this title",
  moreInChat: "More in this chat",
  searchFurther: "Search further back",

  // The composer and the editor of a message
  message: "Message",
  saySomething: "Say something",
  send: "Send",
  sendWithEnter: "Send (Enter)",
  sendWithModEnter: "Send (Ctrl+Enter)",
  stop: "Stop",
  stopWithEscape: "Stop (Escape)",
  stoppingFailed: "Could not stop",
  editMessage: "Edit your message",
  tooLong: (sizeKb: number, limitKb: number) =>
    `This message has ${sizeKb} kB; the service takes ${limitKb} kB at once. Shorten it, or send it in parts.`,

  // Messages that wait
  sending: "Sending…",
  sendingAfter: "Will be sent after what was said before it.",
  sendingOffline: "Will be sent when the network is back.",
  sendingUnreachable: "The service cannot be reached. Will be sent when it is back.",
  sendingLimited: (time: string | null) =>
    time === null
      ? "You have as many answers under way as you may. Will be sent when one has ended."
      : `You have reached your limit. Will be sent at ${time}.`,
  askingAgain: "Asking again…",
  notSent: (reason: string) => `Not sent: ${reason}`,
  tryAgain: "Try again",
  discard: "Discard",
  takeBack: "Edit",

  // Messages
  messages: "Messages",
  youSaid: "You said",
  assistantAnswered: "The assistant answered",
  edit: "Edit",
  showAll: "Show all of it",
  showLess: "Show less",
  answerAgain: "Answer again",
  aboutAnswer: "About this answer",
  copyingFailed: "Could not copy",
  versions: "Versions",
  versionBefore: "Version before",
  nextVersion: "Next version",
  switchingFailed: "Could not switch",
  earlierMessages: "Earlier messages",
  earlierMessagesFailed: "Earlier messages could not be loaded",
  latest: "Latest",
  suggestedReplies: "Suggested replies",

  // About an answer
  seconds: (number: string) => `${number} s`,
  tokens: (input: string, output: string, isEstimated: boolean) =>
    `${isEstimated ? "about " : ""}${input} + ${output} tokens`,
  cached: (number: string) => `${number} cached`,
  showPrompt: "What the model was told",
  promptFailed: "The prompt could not be loaded",
  promptOf: (assistant: string) => `System prompt of ${assistant}`,
  promptFunctions: "Functions it was offered",
  promptParams: "Parameters",
  none: "None.",

  // How an answer ended
  stopped: "Stopped.",
  incomplete: "The answer is not complete.",
  interrupted: "The service stopped in the middle. What it had said is kept.",
  lengthLimit: "The answer reached the model's length limit.",
  contentFilter: "The provider's content filter cut the answer off.",
  cutOff: "The answer was cut off on its way.",
  failed: "The answer failed.",
  errors: {
    model_auth: "The provider refused the key of this service. The operator has to renew it; asking again helps only then.",
    model_quota: "The account of this service at its provider is used up. The operator has to look at it.",
    model_rate_limited: "The model is asked too much at the moment.",
    model_unavailable: "The model cannot be reached at the moment.",
    model_timeout: "The model took too long to say anything.",
    model_protocol: "The model's answer could not be understood.",
    model_rejected: "The provider refused the request. Often the model's name is wrong: choose another one above.",
    context_overflow: "This is too long for the model.",
    tool_steps_exceeded: "The model called functions again and again, and came to no answer. Ask in another way.",
    internal: "The service made a mistake. Its operator finds it in the log.",
  } as Readonly<Record<string, string>>,
  detail: "The provider's words",
  askingAgainIn: (seconds: number) => `Asked again in ${seconds} s.`,
  continueAnswer: "Continue",
  handedOver: (from: string, to: string) => `${to} went on where ${from} stopped.`,
  doNotAskAgain: "Not now",
  changeMessage: "Change the message",
  goOnWithLast: "Go on with the last messages",
  startOver: "Ask without what was said before",
  lastMessages: "This was said last:",
  userSaid: "I said",
  assistantSaid: "You answered",

  // The chat
  noLongerThere: "This chat is no longer there.",
  connectionLost: "Connection lost. It will be taken up again by itself.",
  chatMenu: "This chat",
  exportMarkdown: "Save as Markdown",
  exportJson: "Save as JSON",
  exportFailed: "The chat could not be saved",
  print: "Print",
  model: "Model",
  defaultModel: "Default model",
  notOffered: (model: string) => `${model} (not offered)`,
  modelUnchanged: "The model stays as it was",
  assistant: "Assistant",
  assistantUnchanged: "The assistant stays as it was",
  messageNotShown: "The message could not be shown",

  // A new chat
  greeting: "What’s on your mind?",
  talkTo: "Talk to",
  noAssistants: "No assistants",
  noModels: "No models",
  noSuggestions: "No suggestions",
  practiceModel:
    "No model is connected: the practice model answers, by a few fixed rules. The operator connects one with OPENAI_API_KEY or a models file.",

  // For screen readers
  announceQuestion: "The assistant has a question.",
  announceAnswering: "The assistant is answering.",
  announceAnswer: "Answer",
  announceFailed: "The answer failed",
  announceStopped: "The answer was stopped",
  announceCut: "The answer was cut off",
  announceInterrupted: "The service stopped in the middle of the answer",

  // The account, where the service asks who one is
  signIn: "Sign in",
  signedOut: "You are signed out.",
  account,

  // Settings and keys
  settings: "Settings",
  theme: "Theme",
  themes: { system: "As the system", light: "Light", dark: "Dark" },
  textSize: "Text size",
  textSizes: { normal: "Normal", large: "Large", larger: "Larger" },
  sendKey: "Send with",
  sendKeys: { enter: "Enter", "mod-enter": "Ctrl+Enter" },
  language: "Language",
  systemLanguage: "As the browser",
  shortcuts: "Keys",
  keys: {
    send: "Send the message",
    newLine: "A new line",
    stop: "Stop the answer",
    editLast: "Edit your last message, from an empty field",
    search: "Search",
    newChat: "New chat",
    help: "This list",
  },

  // What a model writes
  prose: {
    code: (language: string) => (language ? `Code, ${language}` : "Code"),
    table: "Table",
    formula: "Formula",
    pictureOn: (host: string) => `Picture on ${host}: `,
    details: "Details",
    picture: "picture",
    wrap: "Wrap",
    download: "Download",
    draw: "Draw",
    source: "Source",
    diagram: "Diagram",
    drawingFailed: "The diagram could not be drawn",
    note: (number: number) => `Note ${number}`,
    backToNote: (number: number) => `Back to note ${number} in the text`,
    unmentionedNote: "Note",
    thinking: "Thinking…",
    thoughts: "Thoughts",
    thoughtFor: (seconds: number) => `Thought for ${seconds} s`,
  },

  // Documents
  document: {
    untitled: "Document",
    changes: "Changes",
    versions: "Versions of the document",
    before: "Document before",
    next: "Next document",
    comparingFailed: "The versions could not be compared",
    tooDifferent: "These versions are too different to mark what changed.",
  },

  // Speech
  speech: {
    read: "Read aloud",
    stop: "Stop reading",
    dictate: "Dictate",
    listeningFailed: "Could not listen",
  },

  // Cards
  cards: {
    titles: {
      explain_joke: "The joke, explained",
      detect_sarcasm: "Sarcasm",
      tell_joke: "A joke",
    } as Readonly<Record<string, string>>,
    joke: { setup: "Set-up", premise: "What you expect", punchline: "Punchline" },
    sarcasm: "Sarcasm",
    verdicts: ["Entirely sincere", "Mostly sincere", "A hint of sarcasm", "Rather sarcastic", "Dripping with sarcasm"],
    of: (highest: number) => `of ${highest}`,
    cutOff: "Stopped before it was complete.",
    states: {
      streaming: "being asked for",
      ready: "about to run",
      running: "running",
      waiting: "waiting",
      succeeded: "done",
      failed: "failed",
      unknown: "outcome unknown",
      cancelled: "did not happen",
    },
    failed: (reason: string) => `failed: ${reason}`,
    noReason: "no reason given",
    unknown: "The service stopped while it ran. It may have happened or not; it is not run again.",
    askedWith: "Asked with",
    answered: "Answered",
    nothing: "Nothing.",
    question: "A question for you",
    choices: "Choices",
    choiceNotSent: "Your choice was not sent",
    notChosen: "Nobody chose.",
  },
};
