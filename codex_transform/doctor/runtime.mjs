// Run by OpenCode's own runtime: asks for the address in its argument and says in one line of JSON what came of it.
const [address] = process.argv.slice(2);
try {
  const headers = { upgrade: "websocket", connection: "upgrade" };
  const answer = await fetch(address, { headers, signal: AbortSignal.timeout(8000) });
  console.log(JSON.stringify({ status: answer.status, body: await answer.text() }));
} catch (error) {
  console.log(JSON.stringify({ error: String(error.code || error.name || error) }));
}
