// Runs many prompts through the AI SDK at once and prints what came of each, as one JSON array.
//
// Standard input: {"generation": "6", "baseURL": "http://…/v1", "scenarios": [{"misbehave", "stream", "prompt"}, …]}.
// A scenario without `misbehave` meets a well-behaved endpoint; `stream` chooses streamText over generateText.

import { readFileSync } from "node:fs";

const { generation, baseURL, scenarios } = JSON.parse(readFileSync(0, "utf8"));
const { generateText, jsonSchema, stepCountIs, streamText, tool } = await import(`ai-${generation}`);
const { createOpenAI } = await import(`openai-${generation}`);

// Warnings go to standard output otherwise, which is for the result.
globalThis.AI_SDK_LOG_WARNINGS = false;

const openai = createOpenAI({ apiKey: "sk-dummy-of-the-client-0000", baseURL });

const write = tool({
  description: "Writes a file",
  inputSchema: jsonSchema({
    type: "object",
    properties: { filePath: { type: "string" }, content: { type: "string" } },
    required: ["filePath", "content"],
  }),
  execute: async ({ filePath }) => `wrote ${filePath}`,
});

function request({ misbehave, prompt }) {
  return {
    model: openai.responses("gpt-5-codex"),
    prompt,
    tools: { write },
    stopWhen: stepCountIs(3),
    maxRetries: 0,
    headers: misbehave ? { "x-sandbox-misbehave": misbehave } : {},
    providerOptions: {
      openai: { store: false, reasoningEffort: "medium", reasoningSummary: "auto", include: ["reasoning.encrypted_content"] },
    },
    onError: () => {},
  };
}

function told(error) {
  const inner = error?.error ?? error;
  return {
    name: error?.name ?? null,
    message: inner?.message ?? String(error),
    status: error?.statusCode ?? null,
    retryable: error?.isRetryable ?? null,
  };
}

async function outcome(result, text, errors) {
  const steps = await result.steps;
  return {
    text,
    errors,
    finish: await result.finishReason,
    steps: steps.map((step) => ({
      text: step.text,
      reasoning: step.reasoningText ?? null,
      calls: step.toolCalls.map((call) => ({ name: call.toolName, input: call.input })),
      results: step.toolResults.map((each) => each.output),
      model: step.response.modelId,
      input: step.usage.inputTokens,
      output: step.usage.outputTokens,
      finish: step.finishReason,
    })),
  };
}

async function stream(scenario) {
  const errors = [];
  const result = streamText(request(scenario));
  let text = "";
  for await (const part of result.fullStream) {
    if (part.type === "text-delta") text += part.text;
    if (part.type === "error") errors.push(told(part.error));
  }
  return outcome(result, text, errors).catch(() => ({ text, errors, finish: "error", steps: [] }));
}

async function generate(scenario) {
  const result = await generateText(request(scenario));
  return outcome(result, result.text, []);
}

async function run(scenario) {
  const failed = (error) => ({ text: "", errors: [told(error)], finish: "error", steps: [] });
  return { ...scenario, ...(await (scenario.stream ? stream : generate)(scenario).catch(failed)) };
}

process.stdout.write(JSON.stringify(await Promise.all(scenarios.map(run))));
