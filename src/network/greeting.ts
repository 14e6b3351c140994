/** Waits for what the other end of a new connection says first: only that proves that the guest has accepted it. */
import type net from "node:net";
import { Fault } from "../errors.ts";

/** Why a connection failed that the guest itself has refused. */
export const NOTHING_LISTENS = "nothing listens on that port in the guest";

/** Of all that came so far: null to wait for more, `rest` to accept and give back what belongs to the stream. */
export type Verdict = null | { readonly rest: Buffer } | { readonly refused: string };

/** @throws Fault if the connection fails or closes, nothing is decided in time, or `judge` refuses; `socket` is destroyed then. */
export async function awaitGreeting(
	socket: net.Socket,
	timeoutMs: number,
	judge: (received: Buffer) => Verdict,
): Promise<void> {
	try {
		await greeting(socket, timeoutMs, judge);
	} catch (error) {
		socket.destroy();
		throw error;
	}
}

function greeting(socket: net.Socket, timeoutMs: number, judge: (received: Buffer) => Verdict): Promise<void> {
	return new Promise((resolve, reject) => {
		let received = Buffer.alloc(0);
		const refuse = (why: string) => settle(() => reject(new Fault("The guest's agent cannot be reached", { why })));
		const timer = setTimeout(() => refuse(`no answer within ${timeoutMs / 1000} s`), timeoutMs);
		const onData = (chunk: Buffer) => {
			received = Buffer.concat([received, chunk]);
			const verdict = judge(received);
			if (verdict === null) return;
			if ("refused" in verdict) return refuse(verdict.refused);
			settle(() => {
				if (verdict.rest.length > 0) socket.unshift(verdict.rest);
				resolve();
			});
		};
		const onError = (error: Error) => refuse(error.message);
		const onClose = () => refuse(NOTHING_LISTENS);
		const settle = (then: () => void) => {
			clearTimeout(timer);
			socket.off("data", onData).off("error", onError).off("close", onClose).off("end", onClose);
			socket.pause();
			then();
		};
		socket.on("data", onData).on("error", onError).on("close", onClose).on("end", onClose);
	});
}
