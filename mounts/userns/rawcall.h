#ifndef TANGO_USERNS_RAWCALL_H
#define TANGO_USERNS_RAWCALL_H

/*
 * raw_call makes a system call without the C library, which would write to errno. It
 * returns what the kernel does: a negative error number where the call fails.
 */

#if defined(__x86_64__)

static inline long raw_call(long number, long a, long b, long c, long d)
{
	long result;
	register long r10 __asm__("r10") = d;

	__asm__ volatile("syscall"
			 : "=a"(result)
			 : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10)
			 : "rcx", "r11", "memory");
	return result;
}

#elif defined(__aarch64__)

static inline long raw_call(long number, long a, long b, long c, long d)
{
	register long x8 __asm__("x8") = number;
	register long x0 __asm__("x0") = a;
	register long x1 __asm__("x1") = b;
	register long x2 __asm__("x2") = c;
	register long x3 __asm__("x3") = d;

	__asm__ volatile("svc 0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2), "r"(x3) : "memory");
	return x0;
}

#else
#error "tango's user namespaces know amd64 and arm64 only"
#endif

#endif
