// xterm.js writes style elements and style attributes, which the page's Content-Security-Policy forbids to everybody who does
// not know its nonce. Loosening the policy would loosen it for an attacker too; so its elements get the nonce, and
// its attributes go through the CSSOM, which is free.

/** Call before the terminal is made. */
export function satisfyPolicy(): void {
  const nonce = document.querySelector<HTMLScriptElement>("script[nonce]")?.nonce ?? "";
  const createElement = document.createElement.bind(document);
  document.createElement = ((name: string, options?: ElementCreationOptions) => {
    const made = createElement(name, options);
    if (name === "style") made.nonce = nonce;
    return made;
  }) as typeof document.createElement;
  const native = Object.getOwnPropertyDescriptor(Element.prototype, "setAttribute")?.value as (
    this: Element,
    name: string,
    value: string,
  ) => void;
  Element.prototype.setAttribute = function (this: Element, name: string, value: string): void {
    if (name === "style" && this instanceof HTMLElement) this.style.cssText = value;
    else native.call(this, name, value);
  };
}
