/*
 * The machine inside the nested test (L2): started by QEMU's PVH entry as a "kernel", without an operating system. It lists its PCI
 * functions, paints a known picture (payload.ts has the same) on every bochs display, lets the edu device copy memory, and powers off
 * after WAIT_SECONDS.
 */
typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;

#ifndef WAIT_SECONDS
#define WAIT_SECONDS 0
#endif

/* Xen's ELF note 18: the 32-bit physical entry point (https://xenbits.xen.org/docs/unstable/misc/pvh.html). */
__asm__(".section .note.pvh, \"a\", @note\n"
	".long 4, 4, 18\n"
	".asciz \"Xen\"\n"
	".long start\n"
	".text\n"
	".globl start\n"
	"start: cli\n"
	"mov $stack + 16384, %esp\n"
	"call payload\n"
	"1: hlt\n"
	"jmp 1b\n");
__attribute__((aligned(16))) u8 stack[16384];

static void outb(u16 port, u8 value) { __asm__ volatile("outb %0, %1" ::"a"(value), "Nd"(port)); }
static void outw(u16 port, u16 value) { __asm__ volatile("outw %0, %1" ::"a"(value), "Nd"(port)); }
static void outl(u16 port, u32 value) { __asm__ volatile("outl %0, %1" ::"a"(value), "Nd"(port)); }
static u8 inb(u16 port) { u8 value; __asm__ volatile("inb %1, %0" : "=a"(value) : "Nd"(port)); return value; }
static u32 inl(u16 port) { u32 value; __asm__ volatile("inl %1, %0" : "=a"(value) : "Nd"(port)); return value; }

/* COM1. */
static void put(char c)
{
	while (!(inb(0x3fd) & 0x20))
		;
	outb(0x3f8, c);
}

static void say(const char *text)
{
	for (; *text; text++)
		put(*text);
}

static void hex(u32 value, int digits)
{
	while (digits-- > 0)
		put("0123456789abcdef"[(value >> (4 * digits)) & 15]);
}

/* One PCI function: bus << 16 | device << 11 | function << 8, as the address port takes it. */
typedef u32 function;

static u32 config(function f, int offset)
{
	outl(0xcf8, 0x80000000u | f | (offset & 0xfc));
	return inl(0xcfc);
}

static void set_config(function f, int offset, u32 value)
{
	outl(0xcf8, 0x80000000u | f | (offset & 0xfc));
	outl(0xcfc, value);
}

static void name(function f)
{
	hex(f >> 16, 2);
	put(':');
	hex((f >> 11) & 31, 2);
	put('.');
	hex((f >> 8) & 7, 1);
}

/* A memory BAR's address; 0 where it has none below 4 GiB. */
static u32 bar(function f, int number)
{
	u32 low = config(f, 0x10 + 4 * number);
	if ((low & 1) || ((low & 6) == 4 && config(f, 0x14 + 4 * number)))
		return 0;
	return low & ~15u;
}

#define WIDTH 640
#define HEIGHT 480

static u32 pixel(u32 x, u32 y)
{
	static const u32 bars[8] = { 0xffffff, 0xffff00, 0x00ffff, 0x00ff00, 0xff00ff, 0xff0000, 0x0000ff, 0x102030 };
	if (y < 360)
		return bars[x / 80];
	return ((x & 255) << 16) | ((y & 255) << 8) | ((x ^ y) & 255);
}

/* Registers of the bochs display, 16 bits each, in the third BAR (QEMU: docs/specs/standard-vga.rst). */
static void paint(function f)
{
	u32 frame = bar(f, 0), registers = bar(f, 2);
	if (!frame || !registers) {
		say("payload: display without memory\n");
		return;
	}
	set_config(f, 4, config(f, 4) | 6);
	/* VGA's attribute controller (ports 0x3c0 on, at 0x400): shows nothing before this bit is set. bochs-display has none. */
	volatile u8 *vga = (volatile u8 *)(registers + 0x400);
	(void)vga[0x1a];
	vga[0] = 0x20;
	volatile u16 *dispi = (volatile u16 *)(registers + 0x500);
	dispi[4] = 0;
	dispi[1] = WIDTH;
	dispi[2] = HEIGHT;
	dispi[3] = 32;
	dispi[6] = WIDTH;
	dispi[8] = 0;
	dispi[9] = 0;
	dispi[4] = 0x41;
	volatile u32 *out = (volatile u32 *)frame;
	for (u32 y = 0; y < HEIGHT; y++)
		for (u32 x = 0; x < WIDTH; x++)
			*out++ = pixel(x, y);
	say("payload: painted ");
	name(f);
	put('\n');
}

#define DMA_BYTES 256
static u32 dma_source[DMA_BYTES / 4], dma_target[DMA_BYTES / 4];

/* 1: from memory to the device, 3: back. */
static void dma(volatile u32 *edu, u32 from, u32 to, u32 command)
{
	edu[0x80 / 4] = from;
	edu[0x84 / 4] = 0;
	edu[0x88 / 4] = to;
	edu[0x8c / 4] = 0;
	edu[0x90 / 4] = DMA_BYTES;
	edu[0x94 / 4] = 0;
	edu[0x98 / 4] = command;
	while (edu[0x98 / 4] & 1)
		;
}

/* QEMU: docs/specs/edu.rst. */
static void drive_edu(function f)
{
	volatile u32 *edu = (volatile u32 *)bar(f, 0);
	set_config(f, 4, config(f, 4) | 6);
	int alive = edu[0] == 0x010000edu;
	edu[1] = 0x12345678;
	alive = alive && edu[1] == ~0x12345678u;
	for (int i = 0; i < DMA_BYTES / 4; i++)
		dma_source[i] = 0x9e3779b9u * (i + 1);
	dma(edu, (u32)dma_source, 0x40000, 1);
	dma(edu, 0x40000, (u32)dma_target, 3);
	int same = 1;
	for (int i = 0; i < DMA_BYTES / 4; i++)
		same = same && ((volatile u32 *)dma_target)[i] == dma_source[i];
	say(alive ? "payload: edu alive" : "payload: edu dead");
	say(same ? ", dma whole\n" : ", dma broken\n");
}

static void visit_bus(u32 bus);

static void visit(function f)
{
	u32 id = config(f, 0), class = config(f, 8) >> 16;
	say("payload: pci ");
	name(f);
	put(' ');
	hex(id & 0xffff, 4);
	put(':');
	hex(id >> 16, 4);
	put(' ');
	hex(class, 4);
	put('\n');
	if (id == 0x11111234)
		paint(f);
	if (id == 0x11e81234)
		drive_edu(f);
	if (((config(f, 12) >> 16) & 0x7f) == 1)
		visit_bus((config(f, 0x18) >> 8) & 255);
}

static void visit_bus(u32 bus)
{
	for (u32 device = 0; device < 32; device++) {
		function first = bus << 16 | device << 11;
		if ((config(first, 0) & 0xffff) == 0xffff)
			continue;
		int functions = (config(first, 12) >> 16) & 0x80 ? 8 : 1;
		for (u32 number = 0; number < functions; number++)
			if ((config(first | number << 8, 0) & 0xffff) != 0xffff)
				visit(first | number << 8);
	}
}

static u8 clock_seconds(void)
{
	outb(0x70, 0);
	return inb(0x71);
}

/* The ICH9's power management, where SeaBIOS puts it: "sleep enable". */
#define PM_CONTROL 0x604
#define POWER_OFF 0x2000

void payload(void)
{
	/* The launcher's sign of life. */
	say("virtualghost: initramfs\n");
	visit_bus(0);
	say("payload: ready\n");
	u8 last = clock_seconds();
	for (int left = WAIT_SECONDS; left > 0;) {
		u8 now = clock_seconds();
		if (now != last)
			left--;
		last = now;
	}
	say("payload: power off\n");
	outw(PM_CONTROL, POWER_OFF);
}
