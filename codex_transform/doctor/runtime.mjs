// Run by OpenCode's own runtime: sends a request with this address, method and headers, and says in one line of JSON what
// came of it.
const [address, method, headers] = process.argv.slice(2);
try {
  const answer = await fetch(address, { method, headers: JSON.parse(headers), signal: AbortSignal.timeout(8000) });
  console.log(JSON.stringify({ status: answer.status, body: await answer.text() }));
} catch (error) {
  console.log(JSON.stringify({ error: String(error.code || error.name || error) }));
}
