// The bytes of draft files, which this browser keeps until their message is delivered: in IndexedDB, by the file's key.
// Where the browser stores nothing, they live in memory for as long as the page is open, as texts do (`storage.ts`).
//
// A reference to a file is stored before its bytes are. So bytes that nothing refers to are never about to be used, and
// `sweep` removes them.

const DATABASE = "chatkeep";
const STORE = "files";

/** Bytes that are not stored yet, or cannot be. */
const memory = new Map<string, Blob>();
let opened: Promise<IDBDatabase> | null = null;

/** Keep the bytes of a file. They can be loaded at once. */
export async function keep(key: string, bytes: Blob): Promise<void> {
  memory.set(key, bytes);
  const isStored = await tryDatabase("readwrite", (store) => store.put(bytes, key));
  if (isStored !== undefined) memory.delete(key);
}

/** Return the bytes of a file; null if they are not here. */
export async function load(key: string): Promise<Blob | null> {
  return memory.get(key) ?? (await tryDatabase("readonly", (store): IDBRequest<Blob> => store.get(key))) ?? null;
}

export async function remove(key: string): Promise<void> {
  memory.delete(key);
  await tryDatabase("readwrite", (store) => store.delete(key));
}

/** Remove all bytes but those of files to which something refers. `listUsed` is asked when it is known what is here. */
export async function sweep(listUsed: () => ReadonlySet<string>): Promise<void> {
  const keys = (await tryDatabase("readonly", (store) => store.getAllKeys())) ?? [];
  const used = listUsed();
  await Promise.all(keys.map(String).filter((key) => !used.has(key)).map(remove));
}

/** Return the result of a request, once it is stored; undefined if the browser refuses it. */
async function tryDatabase<T>(mode: IDBTransactionMode, ask: (store: IDBObjectStore) => IDBRequest<T>): Promise<T | undefined> {
  try {
    const transaction = (await (opened ??= open())).transaction(STORE, mode);
    const request = ask(transaction.objectStore(STORE));
    return await new Promise<T>((resolve, reject) => {
      transaction.oncomplete = () => resolve(request.result);
      transaction.onabort = () => reject(transaction.error ?? request.error);
    });
  } catch (error) {
    console.warn("this browser keeps no files for the page:", error);
    return undefined;
  }
}

function open(): Promise<IDBDatabase> {
  const request = indexedDB.open(DATABASE, 1);
  request.onupgradeneeded = () => request.result.createObjectStore(STORE);
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}
