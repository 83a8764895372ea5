// OpenAI's SDK: `node try_openai.mjs SCENARIO`. The last line that it prints is the result, as JSON.

import OpenAI from "openai";
import { zodTextFormat } from "openai/helpers/zod";
import { z } from "zod";

const MODEL = "gpt-5.2";
const SYSTEM = "You are a parrot.";
const TOOL = {
  type: "function",
  name: "add",
  description: "Adds two numbers",
  parameters: { type: "object", properties: { a: { type: "integer" } }, required: ["a"] },
  strict: false,
};

const client = new OpenAI({ maxRetries: 0 });

async function failure(call) {
  try {
    await call();
    return null;
  } catch (error) {
    return [error.status, error.code];
  }
}

async function list(page) {
  const all = [];
  for await (const each of page) all.push(each);
  return all;
}

const scenarios = {
  async basics() {
    const created = await client.responses.create({ model: MODEL, instructions: SYSTEM, input: "say hello" });
    const stream = client.responses.stream({ model: MODEL, instructions: SYSTEM, input: "say hello" });
    let deltas = "";
    stream.on("response.output_text.delta", (event) => (deltas += event.delta));
    const streamed = await stream.finalResponse();
    const parsed = await client.responses.parse({
      model: MODEL,
      input: "plan a trip",
      text: { format: zodTextFormat(z.object({ city: z.string(), days: z.number() }), "trip") },
    });
    return {
      created: created.output_text,
      deltas,
      streamed: streamed.output_text,
      parsed: parsed.output_parsed,
      models: [created.model, streamed.model],
    };
  },

  async tools() {
    const input = 'use add with {"a": 1} and also use add with {"a": 2}';
    const first = await client.responses.create({ model: MODEL, input, tools: [TOOL] });
    const calls = first.output.filter((item) => item.type === "function_call");
    const second = await client.responses.create({
      model: MODEL,
      previous_response_id: first.id,
      tools: [TOOL],
      input: calls.map((call) => ({
        type: "function_call_output",
        call_id: call.call_id,
        output: `got ${call.arguments}`,
      })),
    });
    return { calls: calls.map((call) => call.arguments), text: second.output_text };
  },

  async chain() {
    const created = [];
    for (let turn = 0; turn < 5; turn++) {
      created.push(
        await client.responses.create({
          model: MODEL,
          instructions: SYSTEM,
          input: `turn ${turn}`,
          previous_response_id: created.at(-1)?.id,
        }),
      );
    }
    const last = created.at(-1);
    const items = await list(client.responses.inputItems.list(last.id));
    await client.responses.delete(created[0].id);
    return {
      texts: created.map((each) => each.output_text),
      retrieved: (await client.responses.retrieve(last.id)).output_text,
      input: items.map((item) => item.content[0].text),
      deleted: await failure(() => client.responses.retrieve(created[0].id)),
      broken: await failure(() =>
        client.responses.create({ model: MODEL, input: "x", previous_response_id: last.id }),
      ),
    };
  },

  async conversation() {
    const conversation = await client.conversations.create({
      items: [{ type: "message", role: "user", content: "My name is Ada." }],
    });
    const texts = [];
    for (let turn = 0; turn < 3; turn++) {
      const body = { model: MODEL, input: `turn ${turn}`, conversation: conversation.id };
      texts.push((await client.responses.create(body)).output_text);
    }
    const items = await list(client.conversations.items.list(conversation.id, { order: "asc", limit: 100 }));
    const textsOfItems = items.filter((item) => item.type === "message").map((item) => item.content[0].text);
    await client.conversations.delete(conversation.id);
    const gone = await failure(() =>
      client.responses.create({ model: MODEL, input: "x", conversation: conversation.id }),
    );
    return { texts, items: textsOfItems, gone };
  },

  async background() {
    const created = await client.responses.create({ model: MODEL, input: "say hello", background: true });
    let polled = created;
    while (["queued", "in_progress"].includes(polled.status)) {
      await new Promise((resolve) => setTimeout(resolve, 50));
      polled = await client.responses.retrieve(created.id);
    }
    const events = await list(await client.responses.retrieve(created.id, { stream: true }));
    return { began: created.status, ended: polled.status, text: polled.output_text, last: events.at(-1).type };
  },

  async other_paths() {
    const counted = await client.responses.inputTokens.count({ model: MODEL, input: "some words ".repeat(50) });
    const compacted = await client.responses.compact({
      model: MODEL,
      input: [{ role: "user", content: "say hello" }],
    });
    return {
      models: (await list(client.models.list())).map((model) => model.id),
      model: (await client.models.retrieve(MODEL)).id,
      tokens: counted.input_tokens,
      compacted: compacted.output.map((item) => item.type),
    };
  },

  async websocket() {
    const { ResponsesWS } = await import("openai/resources/responses/ws");
    const socket = new ResponsesWS(client);
    const answer = (fields) =>
      new Promise((resolve, reject) => {
        socket.once("error", reject);
        socket.once("response.completed", (event) => resolve(event.response));
        socket.send({ type: "response.create", model: MODEL, instructions: SYSTEM, store: false, ...fields });
      });
    const texts = [];
    let previous;
    for (let turn = 0; turn < 3; turn++) {
      const response = await answer({ input: `turn ${turn}`, previous_response_id: previous });
      texts.push(response.output.at(-1).content[0].text);
      previous = response.id;
    }
    socket.close();
    return { texts };
  },

  // A request that an endpoint takes as it is: the same with and without a proxy.
  async as_codex() {
    const body = {
      model: MODEL,
      instructions: SYSTEM,
      input: [{ type: "message", role: "user", content: [{ type: "input_text", text: "use add" }] }],
      tools: [TOOL],
      store: false,
      stream: true,
      include: ["reasoning.encrypted_content"],
    };
    const headers = { originator: "try_openai", accept: "text/event-stream" };
    const results = [];
    let items;
    for (let round = 0; round < 2; round++) {
      const events = await list(await client.responses.create(body, { headers }));
      items = events.filter((event) => event.type.endsWith("item.done")).map((event) => event.item);
      results.push(items.map((item) => [item.type, item.arguments ?? null]));
      const call = items.at(-1);
      if (call.type === "function_call") {
        body.input.push(...items, { type: "function_call_output", call_id: call.call_id, output: "3" });
      }
    }
    return { items: results, text: items.at(-1).content[0].text };
  },
};

console.log(`\n${JSON.stringify(await scenarios[process.argv[2]]())}`);
