// Keeps the composer above the keyboard of a phone. Chrome resizes the page by itself (`interactive-widget`), Safari
// lays its keyboard over the page and resizes only what is in view.

/** Give the page the height of what is in view, now and whenever it changes. */
export function followViewport(): void {
  const { visualViewport } = window;
  if (visualViewport === null) return;
  const update = (): void => {
    if (visualViewport.scale > 1.01) return; // zoomed in by the user, and no keyboard
    document.documentElement.style.setProperty("--view-height", `${visualViewport.height}px`);
    scrollTo(0, 0); // Safari scrolls the page behind its keyboard
  };
  visualViewport.addEventListener("resize", update);
}
