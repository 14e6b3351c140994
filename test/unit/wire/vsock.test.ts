import { expect, test } from "bun:test";
import { sockaddrVm, VMADDR_CID_ANY } from "../../../src/wire/vsock.ts";

test("sockaddr_vm as in linux/vm_sockets.h", () => {
	const hex = Buffer.from(sockaddrVm(3, 5222)).toString("hex");
	expect(hex).toBe("28000000661400000300000000000000");
	expect(Buffer.from(sockaddrVm(VMADDR_CID_ANY, 1)).toString("hex").slice(16, 24)).toBe("ffffffff");
});
