import assert from "node:assert/strict";
import { test } from "node:test";

import { backoffMs, LONGEST_MS } from "../../../broker/accelpool_broker/web/backoff.js";
import { MOST_OF_A_MESSAGE, SseParser } from "../../../broker/accelpool_broker/web/sse.js";

const STREAM =
  'retry: 250\n: hello\n\nid: 7\ndata: {"a":1}\n\nid: 8\r\nevent: x\r\ndata: one\r\ndata:two\r\n\r\n: nothing new\nid: 9\n\n';
const MESSAGES = [
  { id: "7", event: "message", data: '{"a":1}' },
  { id: "8", event: "x", data: "one\ntwo" },
];

test("a stream is the same however it is cut into pieces", () => {
  for (let size = 1; size <= STREAM.length; size += 1) {
    const parser = new SseParser();
    const found = [];
    for (let at = 0; at < STREAM.length; at += size) found.push(...parser.feed(STREAM.slice(at, at + size)));
    assert.deepEqual(found, MESSAGES, `in pieces of ${size}`);
    assert.equal(parser.lastId, "9");
    assert.equal(parser.retryMs, 250);
  }
});

test("a message that does not end is refused", () => {
  assert.throws(() => new SseParser().feed("x".repeat(MOST_OF_A_MESSAGE + 1)), RangeError);
  const parser = new SseParser();
  assert.throws(() => {
    for (let line = 0; line < 12; line += 1) parser.feed(`data: ${"x".repeat(100_000)}\n`);
  }, RangeError);
});

test("each failure doubles the wait, up to a bound, and no two pages wait the same", () => {
  const most = [1, 2, 3, 4].map((failures) => backoffMs(failures, () => 0.999999));
  assert.deepEqual(most.map(Math.round), [500, 1000, 2000, 4000]);
  assert.equal(
    backoffMs(1, () => 0),
    250,
  );
  assert.ok(backoffMs(1000, () => 0.99) <= LONGEST_MS);
});
