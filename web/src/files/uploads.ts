// Brings draft files to the service, and keeps their bytes until that is no longer needed.
//
// A file is known there by its bytes, so bringing it twice makes one file. So an upload that was cut off begins anew,
// and any tab may bring any file. One upload is under way at a time among all tabs (a Web Lock): the browser's few
// connections are for the streams. A failure that may pass is retried, with pauses of 1 to 15 s. The service deletes a
// file that no message names for a day, so its bytes are kept until the message is delivered, and brought again then.

import { ApiError } from "../api.ts";
import { Cell } from "../cell.ts";
import { pause } from "../../../clients/typescript/src/stream.ts";
import * as storage from "../storage.ts";
import type { DraftFile } from "./draft-file.ts";
import * as keptBytes from "./kept-bytes.ts";
import { sendFile } from "./send-file.ts";
import { BROUGHT_PREFIX } from "./sweep.ts";

export interface UploadState {
  /** How much of it was sent, from 0 to 1. */
  readonly sent: number;
  /** True while the service cannot be reached. */
  readonly isWaiting: boolean;
  /** The service's id of the file, once it is there. */
  readonly fileId: string | null;
  readonly refused: FileRefused | null;
}

/** A file cannot be brought: the service refuses it, or its bytes are not here. `code` is found in the page's words. */
export class FileRefused extends Error {
  readonly code: string;

  constructor(code: string, message: string) {
    super(message);
    this.code = code;
  }
}

interface Upload {
  readonly fileId: Promise<string>;
  readonly cancel: AbortController;
}

const BEGIN: UploadState = { sent: 0, isWaiting: false, fileId: null, refused: null };
const MIN_RETRY_MS = 1_000;
const MAX_RETRY_MS = 15_000;

export class Uploads {
  readonly #states = new Map<string, Cell<UploadState>>();
  readonly #uploads = new Map<string, Upload>();

  constructor() {
    storage.onChange(BROUGHT_PREFIX, () => this.#noteOtherTabs());
  }

  /** Return how the upload of a file stands. */
  stateOf({ key, isStored }: DraftFile): Cell<UploadState> {
    const fileId = isStored ? key : storage.load(BROUGHT_PREFIX + key);
    const cell = this.#states.get(key) ?? new Cell<UploadState>({ ...BEGIN, fileId });
    this.#states.set(key, cell);
    return cell;
  }

  /** Keep the bytes of a new file, whose reference is stored already. */
  keep({ key }: DraftFile, bytes: Blob): void {
    void keptBytes.keep(key, bytes);
  }

  /**
   * Bring a file to the service, however long that takes, and return its id there.
   *
   * Throws `FileRefused`, and `DOMException` (AbortError) if it is dropped meanwhile.
   */
  bring(file: DraftFile): Promise<string> {
    const { fileId, refused } = this.stateOf(file).value;
    if (fileId !== null) return Promise.resolve(fileId);
    if (refused !== null) return Promise.reject(refused);
    const known = this.#uploads.get(file.key);
    if (known) return known.fileId;
    const cancel = new AbortController();
    const upload = { cancel, fileId: this.#bring(file, cancel.signal).finally(() => this.#uploads.delete(file.key)) };
    this.#uploads.set(file.key, upload);
    return upload.fileId;
  }

  /** Forget files that are no longer needed in this browser. An upload under way ends. */
  drop(files: readonly DraftFile[]): void {
    for (const { key, isStored } of files) {
      if (isStored) continue;
      this.#uploads.get(key)?.cancel.abort();
      storage.remove(BROUGHT_PREFIX + key);
      void keptBytes.remove(key);
      this.#states.delete(key);
    }
  }

  /** Note that the service does not have these files any more. */
  forget(files: readonly DraftFile[]): void {
    for (const file of files) {
      if (file.isStored) continue;
      storage.remove(BROUGHT_PREFIX + file.key);
      this.stateOf(file).value = BEGIN;
    }
  }

  /** Another tab may have brought a file that this one shows. */
  #noteOtherTabs(): void {
    for (const [key, state] of this.#states) {
      const fileId = storage.load(BROUGHT_PREFIX + key);
      if (fileId !== null && state.value.fileId === null) state.value = { ...BEGIN, sent: 1, fileId };
    }
  }

  async #bring(file: DraftFile, signal: AbortSignal): Promise<string> {
    const state = this.stateOf(file);
    for (let retryMs = MIN_RETRY_MS; ; retryMs = Math.min(retryMs * 2, MAX_RETRY_MS)) {
      try {
        const fileId = await alone(signal, () => this.#attempt(file, signal));
        state.value = { ...BEGIN, sent: 1, fileId };
        return fileId;
      } catch (error) {
        signal.throwIfAborted();
        const refused = refusalOf(error);
        state.value = { ...BEGIN, isWaiting: refused === null, refused };
        if (refused !== null) throw refused;
        console.info("a file will be sent again:", error);
        const askedMs = error instanceof ApiError ? (error.retryAfterMs ?? 0) : 0;
        await pause(Math.max(retryMs, askedMs), signal);
        signal.throwIfAborted();
      }
    }
  }

  /** Send a file, unless another tab has brought it. This one may not know that yet; then it is the same file again. */
  async #attempt(file: DraftFile, signal: AbortSignal): Promise<string> {
    const brought = storage.load(BROUGHT_PREFIX + file.key);
    if (brought !== null) return brought;
    const bytes = await readable(await keptBytes.load(file.key));
    const state = this.stateOf(file);
    const showProgress = (sent: number): void => void (state.value = { ...BEGIN, sent });
    showProgress(0);
    const { id } = await sendFile(bytes, file.name, signal, showProgress);
    storage.save(BROUGHT_PREFIX + file.key, id); // before the next tab has its turn
    return id;
  }
}

/** Run `action` while no other tab brings a file. */
const alone = <T>(signal: AbortSignal, action: () => Promise<T>): Promise<T> =>
  "locks" in navigator ? navigator.locks.request("chatkeep.upload", { signal }, action) : action();

/** Return `bytes` if they can be read: a file on the disk may have been changed or removed, and a folder has none. */
async function readable(bytes: Blob | null): Promise<Blob> {
  if (bytes === null) throw new FileRefused("gone", "the file is no longer in this browser");
  try {
    await bytes.slice(0, 1).arrayBuffer();
    return bytes;
  } catch (error) {
    throw new FileRefused("unreadable", String(error));
  }
}

/** Return the refusal that an error amounts to; null if the same request may succeed later. */
function refusalOf(error: unknown): FileRefused | null {
  if (error instanceof FileRefused) return error;
  if (!(error instanceof ApiError) || error.isRetryable || error.status === 401) return null;
  return new FileRefused(error.problem?.code ?? "", error.message);
}
