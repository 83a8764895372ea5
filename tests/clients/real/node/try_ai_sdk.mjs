// The AI SDK with `store` unset, so that it refers to earlier output items by their ids:
// `node try_ai_sdk.mjs SCENARIO GENERATION`. The last line that it prints is the result, as JSON.

const generation = process.argv[3];
const { generateObject, generateText, jsonSchema, stepCountIs, streamText, tool } = await import(`ai-${generation}`);
const { createOpenAI } = await import(`openai-${generation}`);

globalThis.AI_SDK_LOG_WARNINGS = false;

let references = 0;

function counting(url, options) {
  references += options.body?.split('"item_reference"').length - 1;
  return fetch(url, options);
}

const openai = createOpenAI({ baseURL: process.env.OPENAI_BASE_URL, fetch: counting });
const model = openai.responses("gpt-5.2");
const schema = jsonSchema({ type: "object", properties: { a: { type: "integer" } }, required: ["a"] });
const add = tool({ description: "Adds", inputSchema: schema, execute: async ({ a }) => `got ${a}` });
const common = { model, system: "You are a parrot.", tools: { add }, stopWhen: stepCountIs(5), maxRetries: 0 };

// With reasoning, because newer versions refer only to items that follow reasoning.
const thinking = { ...common, providerOptions: { openai: { reasoningEffort: "low" } } };

async function talk(ask) {
  const messages = [];
  const texts = [];
  for (const content of ["turn 0", 'use add with {"a": 1}', "turn 2", "turn 3"]) {
    messages.push({ role: "user", content });
    const result = await ask(messages);
    // The newest version has the messages of all steps in another place.
    messages.push(...((await result.responseMessages) ?? (await result.response).messages));
    texts.push(await result.text);
  }
  return { texts, references };
}

const scenarios = {
  history: () => talk((messages) => generateText({ ...thinking, messages })),

  streamed: () =>
    talk(async (messages) => {
      const result = streamText({ ...thinking, messages });
      await result.consumeStream();
      return result;
    }),

  async chain() {
    const texts = [];
    let previousResponseId;
    for (const prompt of ["turn 0", "turn 1", "turn 2"]) {
      const providerOptions = { openai: { previousResponseId } };
      const result = await generateText({ ...common, prompt, providerOptions });
      previousResponseId = result.providerMetadata.openai.responseId;
      texts.push(result.text);
    }
    return { texts };
  },

  async structured() {
    const trip = jsonSchema({
      type: "object",
      properties: { city: { type: "string" }, days: { type: "integer" } },
      required: ["city", "days"],
      additionalProperties: false,
    });
    return (await generateObject({ model, schema: trip, prompt: "plan a trip", maxRetries: 0 })).object;
  },
};

console.log(`\n${JSON.stringify(await scenarios[process.argv[2]]())}`);
