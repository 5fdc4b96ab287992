import { Component, type ComponentChildren } from "preact";

interface Props {
  readonly children: ComponentChildren;
  /** Shown when drawing `children` fails. */
  readonly fallback: ComponentChildren;
}

/** Keeps an error in one part of the page from blanking the rest: then a plain form of the part is in its place. */
export class Boundary extends Component<Props, { hasFailed: boolean }> {
  override state = { hasFailed: false };

  override componentDidCatch(error: unknown): void {
    console.info("a part of the page is shown in its plain form:", error);
    this.setState({ hasFailed: true });
  }

  override render({ children, fallback }: Props): ComponentChildren {
    return this.state.hasFailed ? fallback : children;
  }
}
