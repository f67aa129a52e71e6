/*
 * The program's entry point: see entry_amd64.S. Here it is x0 that has to be as it
 * was, and x19 and x20 that survive a call.
 */
	.text
	.globl tangostart
	.type tangostart, %function
tangostart:
	mov x29, #0
	mov x30, #0
	mov x19, sp
	mov x20, x0
	mov x0, sp
	bl tango_prelude
	mov sp, x19
	mov x0, x20
	b _start
	.size tangostart, .-tangostart
	.section .note.GNU-stack, "", %progbits
