/*
 * The program's entry point: tango_prelude gets the stack that the kernel has made
 * (argc, argv, envp), and if it returns, the C library starts as if nothing had been.
 * That wants the stack pointer and rdx as they were (System V ABI, process
 * initialization); rbx and r12 survive a call.
 */
	.text
	.globl tangostart
	.type tangostart, @function
tangostart:
	xorl %ebp, %ebp
	movq %rsp, %rbx
	movq %rdx, %r12
	movq %rsp, %rdi
	andq $-16, %rsp
	call tango_prelude
	movq %rbx, %rsp
	movq %r12, %rdx
	jmp _start
	.size tangostart, .-tangostart
	.section .note.GNU-stack, "", @progbits
