// Every word about files, in English.

import { count } from "./count.ts";

export const files = {
  // The composer
  attach: "Attach files",
  choose: "Choose files",
  takePhoto: "Take a photo",
  dropHere: "Drop files to attach them",
  pasted: "Pasted",
  attached: "Files",
  remove: (name: string) => `Remove ${name}`,
  removed: (name: string) => `${name} is removed`,
  removeRefused: "Remove the file that is refused",
  tooMany: (most: number) => `A message takes ${most} files. The others are left out.`,
  empty: (name: string) => `${name} is empty.`,
  isFolder: (name: string) => `${name} is a folder. Attach the files in it.`,

  // On their way to the service
  uploadOf: (name: string) => `Upload of ${name}`,
  sent: (percent: number, size: string) => `${percent} % of ${size}`,
  waiting: "Waits for the service",
  bringing: "Sending the files…",
  isAttached: (name: string) => `${name} is attached`,
  isNotAttached: (name: string) => `${name} is not attached`,
  refusals: {
    body_too_large: "Larger than this service takes",
    invalid_request: "Damaged, or not what its name says",
    gone: "No longer in this browser: attach it again",
    unreadable: "The browser cannot read it: attach it again",
  } as Readonly<Record<string, string>>,
  messageRefusals: {
    unsupported_media_type_for_model:
      "the model does not read this file. Choose another model above, or attach it in another form.",
    file_body_too_large: "a file is larger than this service takes.",
    file_invalid_request: "a file is damaged, or is not what its name says.",
    file_gone: "a file is no longer in this browser. Attach it again.",
    file_unreadable: "the browser cannot read a file. Attach it again.",
  } as Readonly<Record<string, string>>,

  // In messages
  pictures: "Pictures",
  pages: (number: number) => count(number, "page", "pages"),
  show: (name: string) => `Show ${name}`,
  exported: (name: string) => `File: ${name}`,

  // The viewer
  viewer: "Picture",
  viewerNotLoaded: "The picture could not be shown",
  position: (number: number, all: number) => `${number} of ${all}`,
  before: "Picture before",
  next: "Next picture",
  larger: "Larger (+)",
  smaller: "Smaller (-)",
  fit: "As large as the window (0)",
};
