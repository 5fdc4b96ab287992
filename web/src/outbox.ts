// What was said and is not acknowledged: kept with its idempotency key until the service has it, across reloads and
// days without a network. Any tab may deliver any letter, any number of times: the key makes it one message. All tabs are
// told, since the one that wrote it waits for that. Each letter is kept under a name of its own: a list of them all
// would be changed by two tabs at once, and one of the changes be lost.

import { ask, newId, Refusal } from "./api.ts";
import { Cell } from "./cell.ts";
import type { NewMessage, NewRun, NewSession, RunAnswer } from "./schema.ts";
import { forget, keep, names, onChange, recall } from "./shelf.ts";
import { pause } from "./stream.ts";

export interface Letter {
  readonly key: string;
  /** When, in milliseconds: the oldest is delivered first. */
  readonly said: number;
  readonly session: string;
  /** The session to be made first; null once it is there. Making it is safe to repeat, too. */
  readonly create: NewSession | null;
  /** A new message, or another answer to one. */
  readonly body: NewMessage | NewRun;
  /** Why the service will not have it; null while it may be delivered. */
  readonly refused: string | null;
}

/** What became of a letter: no answer when it was delivered so long ago that the run's log is gone. */
type Told = (letter: Letter, answer: RunAnswer | null) => void;

const PLACE = "outbox.";
/** Where earlier versions kept all letters, as one list. */
const FORMER = "outbox";
const FIRST_WAIT = 1_000;
const LONGEST_WAIT = 15_000;

export class Outbox {
  readonly letters = new Cell<readonly Letter[]>(read());
  /** Keys of letters that were heard back on a feed, though not acknowledged yet: not to be shown twice. */
  readonly heard = new Cell<ReadonlySet<string>>(new Set());
  readonly #told: Told;
  readonly #tabs = new BroadcastChannel("chatkeep.outbox");
  /** Sessions whose letters are being delivered; aborting wakes a delivery that waits. */
  readonly #delivering = new Map<string, AbortController>();

  /** `told` hears of each delivery, by whichever tab. */
  constructor(told: Told) {
    this.#told = told;
    const former: Letter[] = JSON.parse(recall(FORMER) ?? "[]");
    former.forEach((letter, said) => this.#put({ ...letter, said }));
    forget(FORMER);
    this.#tabs.onmessage = ({ data }: MessageEvent<Parameters<Told>>) => told(...data);
    onChange(PLACE, () => (this.letters.value = read()));
    addEventListener("online", () => this.deliver());
    this.deliver();
  }

  /** Whether something that was said in `session` waits for its delivery, as far as one can see. */
  holds(session: string): boolean {
    return waiting(session).some(({ key }) => !this.heard.value.has(key));
  }

  add(letter: Omit<Letter, "key" | "said" | "refused">): void {
    this.#put({ ...letter, key: newId(), said: performance.timeOrigin + performance.now(), refused: null });
    this.deliver();
  }

  /** A feed tells of a message in `session`: perhaps one of ours, whose acknowledgement is still on its way. */
  hear(session: string, content: string): void {
    const isIt = (letter: Letter): boolean => letter.session === session && contentOf(letter) === content;
    const letter = this.letters.value.find((each) => isIt(each) && !this.heard.value.has(each.key));
    if (letter) this.heard.value = new Set([...this.heard.value, letter.key]);
  }

  #unhear({ key }: Letter): void {
    this.heard.value = new Set([...this.heard.value].filter((each) => each !== key));
  }

  remove(key: string): void {
    forget(PLACE + key);
    this.letters.value = read();
  }

  /** Try a refused letter again. */
  retry(key: string): void {
    this.#change(key, { refused: null });
    this.deliver();
  }

  /** Deliver what can be delivered: in each session the oldest first, whatever holds up the others. */
  deliver(): void {
    for (const session of new Set(read().map((letter) => letter.session))) {
      const delivery = this.#delivering.get(session);
      if (delivery) delivery.abort();
      else void this.#deliver(session);
    }
  }

  async #deliver(session: string): Promise<void> {
    for (let wait = FIRST_WAIT; ; ) {
      const woken = new AbortController();
      this.#delivering.set(session, woken);
      const late = await this.#turn(session);
      if (late === undefined && !woken.signal.aborted) break;
      if (typeof late === "number") {
        await pause(Math.max(late, wait), woken.signal);
        wait = Math.min(wait * 2, LONGEST_WAIT);
      } else {
        wait = FIRST_WAIT;
      }
    }
    this.#delivering.delete(session);
  }

  /** Deliver the session's next letter, one at a time among all tabs; undefined when there is none. */
  #turn(session: string): Promise<number | null | undefined> {
    const deliver = async (): Promise<number | null | undefined> => {
      const [letter] = waiting(session);
      return letter && this.#attempt(letter);
    };
    return "locks" in navigator ? navigator.locks.request(`chatkeep.outbox.${session}`, deliver) : deliver();
  }

  /** Null when the letter is settled, else the milliseconds that the service wants us to wait at least (0: it does not say). */
  async #attempt(letter: Letter): Promise<number | null> {
    let answer: RunAnswer | null;
    try {
      await this.#make(letter);
      answer = await post(letter);
    } catch (error) {
      if (!(error instanceof Refusal)) return 0; // nobody answered
      if (error.status < 500) this.#unhear(letter); // who was heard had said the same
      if (error.passes) return error.retryAfter ?? 0;
      this.#change(letter.key, { refused: error.message });
      return null;
    }
    this.#told(letter, answer);
    this.#tabs.postMessage([letter, answer] satisfies Parameters<Told>);
    this.remove(letter.key);
    return null;
  }

  /** Make the session of a letter; it is there from then on, whatever becomes of the letter. */
  async #make({ key, create }: Letter): Promise<void> {
    if (create === null) return;
    await ask("POST", "sessions", create);
    this.#change(key, { create: null });
  }

  #change(key: string, changes: Partial<Letter>): void {
    const letter = read().find((each) => each.key === key);
    if (letter) this.#put({ ...letter, ...changes });
  }

  #put(letter: Letter): void {
    keep(PLACE + letter.key, JSON.stringify(letter));
    this.letters.value = read();
  }
}

/** What a letter says; null when it asks for another answer. */
export const contentOf = ({ body }: Letter): string | null => ("content" in body ? body.content : null);

async function post(letter: Letter): Promise<RunAnswer | null> {
  const route = contentOf(letter) === null ? "runs" : "messages";
  try {
    const headers = { "idempotency-key": letter.key, prefer: "respond-async" };
    return await ask("POST", `sessions/${letter.session}/${route}`, letter.body, headers);
  } catch (error) {
    if (error instanceof Refusal && error.problem?.code === "events_expired") return null; // delivered long ago
    throw error;
  }
}

/** What may be delivered in `session`, the oldest first. */
const waiting = (session: string): Letter[] =>
  read().filter((letter) => letter.session === session && letter.refused === null);

function read(): Letter[] {
  const texts = names(PLACE).map(recall).filter((text) => text !== null);
  return texts.map((text): Letter => JSON.parse(text)).sort((one, other) => one.said - other.said);
}
