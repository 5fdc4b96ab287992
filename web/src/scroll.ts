// Staying at the end of something that grows, without ever pulling away a reader who has left it.

/** How far from its end, in pixels, a reader still is at the end. */
const NEAR = 8;

export class Stick {
  readonly #scroller: HTMLElement;
  readonly #told: (isAtEnd: boolean) => void;
  readonly #observer: ResizeObserver;
  #isAtEnd = true;
  #top = 0;

  /** `content` grows inside `scroller`; `told` hears whether the reader is at its end. */
  constructor(scroller: HTMLElement, content: HTMLElement, told: (isAtEnd: boolean) => void) {
    this.#scroller = scroller;
    this.#told = told;
    this.#observer = new ResizeObserver(() => this.#follow());
    this.#observer.observe(content);
    this.#observer.observe(scroller);
    scroller.addEventListener("scroll", this.#scrolled, { passive: true });
    scroller.addEventListener("wheel", this.#wheeled, { passive: true });
  }

  toEnd(): void {
    this.#set(true);
    this.#follow();
  }

  /** Move by so many pixels, and stay there although what follows became longer or shorter. */
  stay(by: number): void {
    this.#scroller.scrollTop += by;
    this.#top = this.#scroller.scrollTop;
    this.#set(this.#isNear());
  }

  end(): void {
    this.#observer.disconnect();
    this.#scroller.removeEventListener("scroll", this.#scrolled);
    this.#scroller.removeEventListener("wheel", this.#wheeled);
  }

  #follow(): void {
    if (this.#isAtEnd) this.#scroller.scrollTop = this.#scroller.scrollHeight;
    this.#top = this.#scroller.scrollTop;
  }

  readonly #scrolled = (): void => {
    const { scrollTop } = this.#scroller;
    if (this.#isNear()) this.#set(true);
    else if (scrollTop < this.#top) this.#set(false); // content that grew is no reason, going up is
    this.#top = scrollTop;
  };

  /** The wheel is heard before the page has moved, so that a token that comes just now pulls nobody back. */
  readonly #wheeled = ({ deltaY }: WheelEvent): void => {
    if (deltaY < 0 && this.#scroller.scrollHeight > this.#scroller.clientHeight) this.#set(false);
  };

  #isNear(): boolean {
    const { scrollTop, scrollHeight, clientHeight } = this.#scroller;
    return scrollHeight - scrollTop - clientHeight <= NEAR;
  }

  #set(isAtEnd: boolean): void {
    if (isAtEnd !== this.#isAtEnd) this.#told((this.#isAtEnd = isAtEnd));
  }
}
