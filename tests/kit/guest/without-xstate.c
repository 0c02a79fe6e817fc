/*
 * without-xstate PROGRAM [ARGUMENT...]: runs a program to which ptrace(2) does not tell the processor's extended state.
 *
 * User-mode Linux 6.1 keeps less room for it than a processor with AMX has, and panics at its first process ("ptrace set fp
 * regs failed, errno = 14"). When PTRACE_GETREGSET of NT_X86_XSTATE fails at its start, it uses the old registers instead.
 */
#include <elf.h>
#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <unistd.h>

#define LOAD(member) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, member))
#define UNLESS(value, skip) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, value, 0, skip)

int main(int argc, char **argv) {
  struct sock_filter code[] = {
      LOAD(arch), UNLESS(AUDIT_ARCH_X86_64, 7),
      LOAD(nr), UNLESS(SYS_ptrace, 5),
      LOAD(args[0]), UNLESS(PTRACE_GETREGSET, 3),
      LOAD(args[2]), UNLESS(NT_X86_XSTATE, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENODEV),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  struct sock_fprog program = {sizeof code / sizeof *code, code};
  if (argc < 2) return 2;
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 && prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0) {
    execv(argv[1], argv + 1);
  }
  perror(argv[1]);
  return 127;
}
