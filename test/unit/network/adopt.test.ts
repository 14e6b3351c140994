import { expect, test } from "bun:test";
import { adoptSocket } from "../../../src/network/adopt.ts";

test("a connected descriptor is usable at once, and loses nothing that came before its reader", async () => {
	const script = "printf first >&3; read -r line <&3; printf 'got:%s' \"$line\" >&3";
	const child = Bun.spawn(["sh", "-c", script], { stdio: ["ignore", "ignore", "ignore", "pipe"] });
	const socket = adoptSocket(Number(child.stdio[3]));
	await Bun.sleep(50);
	socket.write("hello\n");
	const chunks: Buffer[] = [];
	socket.on("data", (chunk: Buffer) => chunks.push(chunk));
	await new Promise((resolve) => socket.once("close", resolve));
	expect(Buffer.concat(chunks).toString()).toBe("firstgot:hello");
});
