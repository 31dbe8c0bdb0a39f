import assert from "node:assert/strict";
import { test } from "node:test";

import { EventStream } from "../../../broker/accelpool_broker/web/events.js";

/** Follow streams that answer in this order; return what was asked for and said, once all have been answered. */
async function follow(answers, lastId = "") {
  const asked = [];
  const said = [];
  const api = {
    fetch: async (method, path, { headers }) => {
      if (answers.length === 0) throw new Error("it is closed in a moment");
      asked.push(headers["Last-Event-ID"] ?? "");
      const answer = answers.shift();
      if (answers.length === 0) setImmediate(() => stream.close());
      if (answer instanceof Error) throw answer;
      return answer;
    },
  };
  const stream = new EventStream(api, {
    lastId,
    onMessage: ({ id, data }) => said.push(`${id} ${data}`),
    onState: (state, isResumed) => {
      said.push(isResumed ? `${state} again` : state);
      setImmediate(() => stream.hurry());
    },
  });
  await stream.run();
  return { asked, said };
}

test("a stream that ends is resumed after the last id, whether it came with an event or not", async () => {
  const { asked, said } = await follow([
    new Response("id: 3\ndata: x\n\n: nothing new\nid: 5\n\n"),
    new Error("the broker is away"),
    new Response("id: 6\ndata: y\n\n"),
    new Response(""),
  ]);
  assert.deepEqual(asked, ["", "5", "5", "6"]);
  assert.deepEqual(said.slice(0, 6), ["live", "3 x", "lost", "lost", "live again", "6 y"]);
});

test("where the events after the last id are gone, it begins with what comes next", async () => {
  const { asked, said } = await follow(
    [new Response("{}", { status: 410 }), new Response("id: 9\ndata: z\n\n")],
    "2",
  );
  assert.deepEqual(asked, ["2", ""]);
  assert.equal(said[0], "live"); // not resumed: all lists are to be read again
});

test("a broker that has no stream now is asked again later", async () => {
  const { said } = await follow([
    new Response("{}", { status: 503, headers: { "Retry-After": "600" } }),
    new Response("id: 1\ndata: a\n\n"),
  ]);
  assert.deepEqual(said.slice(0, 2), ["refused", "live"]);
});
