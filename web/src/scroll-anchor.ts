// Keeps a growing thread scrolled to its end. Once the reader scrolls up, it leaves the page where it is.

/** A reader this close to the end still counts as being at the end. */
const END_TOLERANCE_PX = 8;

export class ScrollAnchor {
  readonly #scroller: HTMLElement;
  readonly #onChange: (isAtEnd: boolean) => void;
  readonly #observer: ResizeObserver;
  #isAtEnd = true;
  #lastTop = 0;

  /** `content` grows inside `scroller`. `onChange` is called when the reader leaves the end or comes back to it. */
  constructor(scroller: HTMLElement, content: HTMLElement, onChange: (isAtEnd: boolean) => void) {
    this.#scroller = scroller;
    this.#onChange = onChange;
    this.#observer = new ResizeObserver(() => this.#followEnd());
    this.#observer.observe(content);
    this.#observer.observe(scroller);
    scroller.addEventListener("scroll", this.#onScroll, { passive: true });
    scroller.addEventListener("wheel", this.#onWheel, { passive: true });
  }

  scrollToEnd(): void {
    this.#setAtEnd(true);
    this.#followEnd();
  }

  /** Scroll by `pixels`, and stay there, although the content below has become longer or shorter. */
  scrollBy(pixels: number): void {
    this.#scroller.scrollTop += pixels;
    this.#lastTop = this.#scroller.scrollTop;
    this.#setAtEnd(this.#isNearEnd());
  }

  disconnect(): void {
    this.#observer.disconnect();
    this.#scroller.removeEventListener("scroll", this.#onScroll);
    this.#scroller.removeEventListener("wheel", this.#onWheel);
  }

  #followEnd(): void {
    if (this.#isAtEnd) this.#scroller.scrollTop = this.#scroller.scrollHeight;
    this.#lastTop = this.#scroller.scrollTop;
  }

  readonly #onScroll = (): void => {
    const { scrollTop } = this.#scroller;
    if (this.#isNearEnd()) this.#setAtEnd(true);
    else if (scrollTop < this.#lastTop) this.#setAtEnd(false); // moving up leaves the end, growing content does not
    this.#lastTop = scrollTop;
  };

  /** The wheel event comes before the page moves. Without it, a token that arrives in between scrolls back down. */
  readonly #onWheel = ({ deltaY }: WheelEvent): void => {
    if (deltaY < 0 && this.#scroller.scrollHeight > this.#scroller.clientHeight) this.#setAtEnd(false);
  };

  #isNearEnd(): boolean {
    const { scrollTop, scrollHeight, clientHeight } = this.#scroller;
    return scrollHeight - scrollTop - clientHeight <= END_TOLERANCE_PX;
  }

  #setAtEnd(isAtEnd: boolean): void {
    if (isAtEnd !== this.#isAtEnd) this.#onChange((this.#isAtEnd = isAtEnd));
  }
}
