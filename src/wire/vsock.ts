/** AF_VSOCK constants and socket address layout (linux/vm_sockets.h), shared by the guest's listener and the host's client. */

export const AF_VSOCK = 40;
/** "Any context": bind address of a listener. */
export const VMADDR_CID_ANY = 0xffff_ffff;
/** The guest's context id. 0-2 are reserved (hypervisor, local, host). */
export const FIRST_GUEST_CID = 3;

/** `struct sockaddr_vm`: family u16, reserved u16, port u32, cid u32, flags u8, zero[3]; host byte order (little endian). */
export function sockaddrVm(cid: number, port: number): Uint8Array<ArrayBuffer> {
	const bytes = new Uint8Array(16);
	const view = new DataView(bytes.buffer);
	view.setUint16(0, AF_VSOCK, true);
	view.setUint32(4, port, true);
	view.setUint32(8, cid, true);
	return bytes;
}
