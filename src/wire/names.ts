/**
 * Every name, number and path that host and guest agree on. `agent/` imports this file too, so it holds constants only.
 *
 * A change here that an older agent would misread needs a new `PROTOCOL_VERSION`.
 */

/** Version of the event lines and of the control subsystem. Host and guest refuse to guess when theirs differ. */
export const PROTOCOL_VERSION = 1;

/** SSH subsystem for what SSH has no word for: see control.ts. */
export const CONTROL_SUBSYSTEM = "virtualghost";

/** AF_VSOCK port on which the guest agent's SSH server listens. */
export const AGENT_VSOCK_PORT = 5222;

/** TCP port of the same server, where the machine has a control card in place of vsock. */
export const AGENT_TCP_PORT = 5222;

/** On the kernel's command line: no compositor and no terminal (virtualghost-session.service asks for it too). */
export const SESSION_OFF_OPTION = "virtualghost.session=off";

/** On the kernel's command line of a machine that is made into a snapshot: the agent waits for its identity on the events port. */
export const IDENTITY_OPTION = "virtualghost.identity=port";

/**
 * On the kernel's command line: the session starts when it is asked for, since only then does the machine have its GPU (restored with
 * virgl) or the files that the session is to find (disk, shared folders, work copy).
 */
export const SESSION_LATER_OPTION = "virtualghost.session=later";

/** On the kernel's command line: how the guest draws (`virgl`, `software`, `vfio`, `none`); read by the session's script. */
export const GPU_OPTION = "virtualghost.gpu";

/** On the kernel's command line: a session whose GPU is not good enough starts once more without it. */
export const GPU_FALLBACK_OPTION = "virtualghost.gpu-fallback=software";

/** On the kernel's command line: keyboard of the session, `layout[:variant[:options]]` in XKB's names; read by the session's script. */
export const KEYMAP_OPTION = "virtualghost.xkb";

/** On the kernel's command line: how large the session draws, 1 where it is missing; read by the session's script. */
export const SCALE_OPTION = "virtualghost.scale";

/** Exit status of a session that must not draw without the GPU and showed nothing on it in time; the session's script has it too. */
export const NOTHING_DRAWN_STATUS = 79;

/** Ghostty's minimum. The terminal's script has it too; test/unit/wire/graphics.test.ts holds both together. */
export const OPENGL_MIN = "4.3";

/** On the kernel's command line of a machine with a control card: the initramfs and the agent look for it. */
export const CONTROL_CARD_OPTION = "virtualghost.control=tcp";

/** On the kernel's command line of a machine with a driver pack: the initramfs waits for its disk. */
export const DRIVER_PACK_OPTION = "virtualghost.drivers=pack";

/** On the kernel's command line of a machine whose terminal gets a look from the host: the initramfs waits for its disk. */
export const LOOK_OPTION = "virtualghost.look=disk";

/**
 * The control card: a network card whose other end is QEMU itself, for hosts without vsock. The initramfs and a udev rule
 * (`vm-assets/`) know it by its MAC; test/unit/wire/control-card.test.ts holds them to these values.
 */
export const CONTROL_CARD = {
	mac: "52:54:00:76:67:01",
	/** Name that the initramfs gives it. */
	name: "control0",
	/** TEST-NET-1 (RFC 5737), which is no real network: QEMU's usual 10.0.2.0/24 is left to a card that leads somewhere. */
	network: "192.0.2.0/24",
	/** The guest's address; QEMU is .2, its name server .3. */
	address: "192.0.2.15",
} as const;

/** On the kernel's command line of a machine that reaches something: what the initramfs sets up, `ipv4` or `dual`. */
export const NETWORK_OPTION = "virtualghost.network";

/** The guest's way to the world, known by its MAC too. Its addresses (`filter/link.ts`) are those of QEMU's user network. */
export const NETWORK_CARD = {
	/** The same in every machine that boots; one that was restored takes another (agent/network-card.ts). */
	mac: "52:54:00:76:68:01",
	name: "net0",
} as const;

/** virtio-serial port over which the guest reports what happens, one JSON line an event (guest to host only). */
export const EVENTS_PORT = "org.virtualghost.events";

/** Unprivileged user that owns the session and every exec. */
export const GUEST_USER = "ghost";
export const GUEST_UID = 1000;

/** systemd credentials, handed over in SMBIOS type 11 strings that QEMU reads from a file. */
export const CREDENTIAL = {
	/** The agent's SSH host key of this run, OpenSSH private key format. */
	hostKey: "virtualghost.host-key",
	/** The one public key that may log in, OpenSSH one-line format. */
	authorizedKey: "virtualghost.authorized-key",
	/** The machine's name as a host name. */
	hostname: "virtualghost.hostname",
	/** There on the user's first start: the terminal says in two lines what this is. */
	hint: "virtualghost.hint",
} as const;

/** Serial numbers of the virtio-blk disks; the initramfs finds the images by them under /sys/block. */
export const DISK_SERIAL = {
	/** Root file system of the distribution (EROFS, read-only). */
	root: "vg-root",
	/** Our layer on top: agent, units, session scripts, kernel modules (EROFS, read-only). */
	guest: "vg-guest",
	/** Optional driver pack over both: drivers and firmware of real graphics cards (EROFS, read-only). */
	drivers: "vg-drivers",
	/** Optional look of the terminal: a tar archive that the initramfs unpacks over all of them. */
	look: "vg-look",
} as const;

/** Disks that outlive the machine (ext4); plugged in after a restore. Our scripts in the guest find them by these. */
export const KEPT_DISK_SERIAL = {
	/** The user's own disk, mounted as the home. */
	home: "vg-home",
	/** What a work copy has changed. */
	work: "vg-work",
} as const;

/** In the agent's folder: starts a program as a user. */
export const BECOME_PROGRAM = "become";

/** Paths inside the guest. */
export const GUEST_PATH = {
	/** Folder of the agent with its own loader and libstdc++. */
	agent: "/usr/lib/virtualghost/agent",
	/** State that the session scripts leave for the agent (tmpfs). */
	run: "/run/virtualghost",
	/** There where the first prompt gives the hint of a first start. */
	hint: "/run/virtualghost/hint",
	/** The agent's process id, written when its unit has it: from here on it may start programs. */
	agentPid: "/run/virtualghost/agent.pid",
	/** Keys that a restored machine was told, for root only: an agent that is started again needs them. */
	keys: "/run/virtualghost/keys",
	/** Touched by the first prompt of the terminal's shell: from here on the terminal is up. */
	terminalUp: "/run/virtualghost/session/terminal-up",
	/** How a restored machine draws, in place of the kernel's command line: `virgl`, and `fallback` where it may step down. */
	gpu: "/run/virtualghost/gpu",
	/** How large a restored machine draws, in place of the kernel's command line. */
	scale: "/run/virtualghost/scale",
	/** There while a GPU's OpenGL is being asked for: a prompt does not count before the answer is known to be good. */
	askingOpengl: "/run/virtualghost/session/asking",
	/** Written beside the terminal's start, where a GPU draws: a line with the OpenGL version, a line with the renderer. */
	graphics: "/run/virtualghost/session/graphics",
	/** Why the session was started once more without the GPU. */
	steppedDown: "/run/virtualghost/session/stepped-down",
	/** Written when the session's unit has ended: `SERVICE_RESULT EXIT_CODE EXIT_STATUS`. */
	sessionEnded: "/run/virtualghost/session-ended",
	/** The host's look, unpacked by the initramfs: for Ghostty, for the stand-in, and fonts. */
	lookGhostty: "/usr/share/virtualghost/look/ghostty.conf",
	lookFoot: "/usr/share/virtualghost/look/foot.ini",
	lookFonts: "/usr/local/share/fonts/host",
	/** stdout and stderr of cage and the terminal. */
	sessionLog: "/run/virtualghost/session.log",
} as const;
