/**
 * Server-sent events from a stream of text, as the HTML standard says (9.2.6), without its browser's object: that one
 * cannot send a token.
 *
 * @typedef {{id: string, event: string, data: string}} Message
 */

export const MOST_OF_A_MESSAGE = 1 << 20; // characters; a longer one is no event of a broker's

export class SseParser {
  #rest = "";
  /** @type {string[]} */
  #data = [];
  #event = "";
  #length = 0;

  /** The last event's id, with which a stream is resumed; it may come without an event. */
  lastId = "";

  /** How long to wait before connecting again, in milliseconds, if the stream said so. @type {number | null} */
  retryMs = null;

  /**
   * Take the next piece of the stream, and return the messages that it completes.
   *
   * @param {string} text
   * @returns {Message[]}
   * @throws {RangeError} A message is too long.
   */
  feed(text) {
    const lines = (this.#rest + text).split(/\r\n|\n|\r(?!$)/);
    this.#rest = lines.pop() ?? "";
    if (this.#rest.length > MOST_OF_A_MESSAGE) throw new RangeError("a line of the stream is too long");
    return lines.flatMap((line) => this.#line(line));
  }

  /** @param {string} line */
  #line(line) {
    if (line === "") return this.#end();
    const colon = line.indexOf(":");
    const name = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? "" : line.slice(colon + 1).replace(/^ /, "");
    if (name === "data") this.#add(value);
    else if (name === "event") this.#event = value;
    else if (name === "id" && !value.includes("\0")) this.lastId = value;
    else if (name === "retry" && /^\d+$/.test(value)) this.retryMs = Number(value);
    return [];
  }

  /** @param {string} value */
  #add(value) {
    this.#length += value.length;
    if (this.#length > MOST_OF_A_MESSAGE) throw new RangeError("a message of the stream is too long");
    this.#data.push(value);
  }

  #end() {
    const data = this.#data.join("\n");
    const event = this.#event || "message";
    const hasData = this.#data.length > 0;
    this.#data = [];
    this.#event = "";
    this.#length = 0;
    return hasData ? [{ id: this.lastId, event, data }] : [];
  }
}
