#include "textflag.h"

// clockGettime is clock_gettime in C's calling convention, R0 the clock and R1 the timespec. It
// adds the offset to the wall clock (number 0) and leaves the monotonic one alone, as setting a
// machine's clock does.
TEXT ·clockGettime(SB), NOSPLIT|NOFRAME, $0
	SUB  $32, RSP
	MOVD R30, 0(RSP)
	MOVD R0, 8(RSP)
	MOVD R1, 16(RSP)
	MOVD ·kernel(SB), R2
	BL   (R2)
	MOVD 0(RSP), R30
	MOVD 8(RSP), R3
	MOVD 16(RSP), R1
	ADD  $32, RSP
	CBNZ R3, done
	MOVD ·offset(SB), R4
	MOVD (R4), R4
	MOVD (R1), R5
	ADD  R4, R5
	MOVD R5, (R1)

done:
	RET

// func clockAddress() uintptr
TEXT ·clockAddress(SB), NOSPLIT, $0-8
	MOVD $·clockGettime(SB), R0
	MOVD R0, ret+0(FP)
	RET
