#include "textflag.h"

// clockGettime is clock_gettime in C's calling convention, DI the clock and SI the timespec. It
// adds the offset to the wall clock (number 0) and leaves the monotonic one alone, as setting a
// machine's clock does.
TEXT ·clockGettime(SB), NOSPLIT|NOFRAME, $0
	PUSHQ DI
	PUSHQ SI
	SUBQ  $8, SP                   // C wants the stack aligned to 16
	MOVQ  ·kernel(SB), AX
	CALL  AX
	ADDQ  $8, SP
	POPQ  SI
	POPQ  DI
	TESTL DI, DI
	JNE   done
	MOVQ  ·offset(SB), CX
	MOVQ  (CX), CX
	ADDQ  CX, (SI)

done:
	RET

// func clockAddress() uintptr
TEXT ·clockAddress(SB), NOSPLIT, $0-8
	LEAQ ·clockGettime(SB), AX
	MOVQ AX, ret+0(FP)
	RET
