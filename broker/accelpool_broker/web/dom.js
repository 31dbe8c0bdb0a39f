/**
 * Elements from data. Texts are always texts: nothing here, and nothing elsewhere on the page, makes HTML of a string.
 *
 * @typedef {{on?: Record<string, (event: any) => void>, [attribute: string]: any}} Props Attributes; `on` has listeners by event, `class` may be a
 *   list; false leaves one out.
 * @typedef {Node | string | number | null | undefined | false} Child
 */

const SAFE_LINK = /^(#|blob:|docs$|openapi\.json$)/;
const SVG = "http://www.w3.org/2000/svg";

/**
 * Make an element.
 *
 * @template {keyof HTMLElementTagNameMap} T
 * @param {T} tag Its name.
 * @param {Props} [props]
 * @param {...(Child | Child[])} children Texts and elements.
 * @returns {HTMLElementTagNameMap[T]}
 */
export function h(tag, props = {}, ...children) {
  return fill(document.createElement(tag), props, children);
}

/** Make an element of SVG; see `h`. @template {keyof SVGElementTagNameMap} T @param {T} tag @param {Props} [props] @param {...(Child | Child[])} children */
export function svg(tag, props = {}, ...children) {
  return fill(document.createElementNS(SVG, tag), props, children);
}

/** @template {Element} T @param {T} element @param {Props} props @param {(Child | Child[])[]} children */
function fill(element, props, children) {
  for (const [name, value] of Object.entries(props)) setProperty(element, name, value);
  element.append(...present(children));
  return element;
}

/** @param {Element} element @param {string} name @param {any} value */
function setProperty(element, name, value) {
  if (value === false || value === null || value === undefined) return;
  if (name === "on") {
    for (const [event, listener] of Object.entries(value)) element.addEventListener(event, listener);
  } else if (name === "class") {
    element.setAttribute("class", [value].flat().filter(Boolean).join(" "));
  } else if (name.startsWith("on") || name === "style" || name === "srcdoc") {
    throw new TypeError(`${name} is no attribute of this page`);
  } else if (name === "href" && !SAFE_LINK.test(value)) {
    throw new TypeError(`this page has no link to ${value}`);
  } else if (name === "value" && "value" in element) {
    element.value = value;
  } else {
    element.setAttribute(name, value === true ? "" : String(value));
  }
}

/** @param {(Child | Child[])[]} children */
function present(children) {
  return children
    .flat(Infinity)
    .filter((child) => child !== null && child !== undefined && child !== false)
    .map((child) => (child instanceof Node ? child : String(child)));
}

/** Let an element have these children and no others. @template {Element} T @param {T} element @param {...(Child | Child[])} children */
export function put(element, ...children) {
  element.replaceChildren(...present(children));
  return element;
}

/** Set an element's text, unless it is so already: what has not changed is not touched. @param {Node} element @param {string} text */
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

let announced = 0;

/** Have screen readers say something when they have time. @param {string} text */
export function announce(text) {
  const place = document.getElementById("announcements");
  announced += 1;
  if (place) place.textContent = announced % 2 ? text : `${text}\u00a0`; // the same again is said again
}
