// Every word about files, in German.

import { count } from "./count.ts";
import type { files as english } from "./en-files.ts";

export const files: typeof english = {
  // The composer
  attach: "Dateien anhängen",
  choose: "Dateien auswählen",
  takePhoto: "Foto aufnehmen",
  dropHere: "Dateien hier loslassen, um sie anzuhängen",
  pasted: "Eingefügt",
  attached: "Dateien",
  remove: (name) => `${name} entfernen`,
  removed: (name) => `${name} ist entfernt`,
  removeRefused: "Die abgelehnte Datei entfernen",
  tooMany: (most) => `Eine Nachricht fasst ${most} Dateien. Die übrigen fehlen.`,
  empty: (name) => `${name} ist leer.`,
  isFolder: (name) => `${name} ist ein Ordner. Häng die Dateien darin an.`,

  // On their way to the service
  uploadOf: (name) => `Hochladen von ${name}`,
  sent: (percent, size) => `${percent} % von ${size}`,
  waiting: "Wartet auf den Dienst",
  bringing: "Die Dateien werden gesendet …",
  isAttached: (name) => `${name} ist angehängt`,
  isNotAttached: (name) => `${name} ist nicht angehängt`,
  refusals: {
    body_too_large: "Größer, als der Dienst annimmt",
    invalid_request: "Beschädigt, oder nicht, was der Name sagt",
    gone: "Nicht mehr in diesem Browser: bitte neu anhängen",
    unreadable: "Für den Browser nicht lesbar: bitte neu anhängen",
  },
  messageRefusals: {
    unsupported_media_type_for_model:
      "das Modell liest diese Datei nicht. Wähle oben ein anderes, oder häng sie in einer anderen Form an.",
    file_body_too_large: "eine Datei ist größer, als der Dienst annimmt.",
    file_invalid_request: "eine Datei ist beschädigt, oder nicht, was ihr Name sagt.",
    file_gone: "eine Datei ist nicht mehr in diesem Browser. Häng sie neu an.",
    file_unreadable: "der Browser kann eine Datei nicht lesen. Häng sie neu an.",
  },

  // In messages
  pictures: "Bilder",
  pages: (number) => count(number, "Seite", "Seiten"),
  show: (name) => `${name} zeigen`,
  exported: (name) => `Datei: ${name}`,

  // The viewer
  viewer: "Bild",
  viewerNotLoaded: "Das Bild konnte nicht gezeigt werden",
  position: (number, all) => `${number} von ${all}`,
  before: "Bild davor",
  next: "Nächstes Bild",
  larger: "Größer (+)",
  smaller: "Kleiner (-)",
  fit: "So groß wie das Fenster (0)",
};
