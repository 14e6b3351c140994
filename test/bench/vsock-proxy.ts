/** Joins stdin and stdout to a vsock port of a guest: `bun vsock-proxy.ts <socket> <port>`, for ssh's ProxyCommand. */
import { connectHybrid } from "../../src/network/hybrid-vsock.ts";

const [path = "", port] = process.argv.slice(2);
const guest = await connectHybrid(path, Number(port));
guest.on("close", () => process.exit());
process.stdin.pipe(guest);
guest.pipe(process.stdout);
guest.resume();
