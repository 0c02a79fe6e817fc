/*
 * Opening in other namespaces. A process of several threads cannot enter a user namespace, so a forked child does: it makes
 * system calls only (no memory is allocated, no lock taken), answers over a socket, and ends. README.md has the bytes.
 */
#include "netyard.h"
#include <linux/if_tun.h>
#include <linux/netlink.h>
#include <linux/stat.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#define MOST_STEPS 64
#define MOST_BYTES 65536
#define IFREQ 40
#define NEW_USER 0x10000000
#define NEW_NET 0x40000000
#define NEW_MOUNT 0x00020000

enum { TUN = 1, SOCKET, NETLINK, MOUNT_FILE };
enum { ENTER_USER = -1, ENTER_NET = -2, ENTER_MOUNT = -3 };

typedef struct {
  int kind, length;
  uint8_t *body;
} step;

typedef struct {
  int socket, user, net, mount, count;
  step steps[MOST_STEPS];
  int devices[MOST_STEPS];
  int netlink;
} job;

static void answer(const job *j, int index, int error, const void *body, size_t length, int fd) {
  int32_t head[2] = {index, error};
  struct iovec iov[2] = {{head, sizeof head}, {(void *)body, length}};
  _Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(int))];
  struct msghdr m = {.msg_iov = iov, .msg_iovlen = length > 0 ? 2 : 1};
  if (fd >= 0) {
    memset(control, 0, sizeof control);
    m.msg_control = control;
    m.msg_controllen = sizeof control;
    struct cmsghdr *c = CMSG_FIRSTHDR(&m);
    c->cmsg_level = SOL_SOCKET;
    c->cmsg_type = SCM_RIGHTS;
    c->cmsg_len = CMSG_LEN(sizeof fd);
    memcpy(CMSG_DATA(c), &fd, sizeof fd);
  }
  if (syscall(SYS_sendmsg, j->socket, &m, MSG_NOSIGNAL) < 0) syscall(SYS_exit_group, 1);
}

static void fail(const job *j, int index, int error) {
  answer(j, index, error, NULL, 0, -1);
  syscall(SYS_exit_group, 1);
}

/* setns(2) refuses the user namespace one is in already. */
static bool is_inside(int namespace, const char *own) {
  struct statx there = {0}, here = {0};
  return syscall(SYS_statx, namespace, "", AT_EMPTY_PATH, STATX_INO, &there) == 0 &&
         syscall(SYS_statx, AT_FDCWD, own, 0, STATX_INO, &here) == 0 && there.stx_ino == here.stx_ino &&
         there.stx_dev_major == here.stx_dev_major && there.stx_dev_minor == here.stx_dev_minor;
}

static void enter(const job *j, int namespace, int type, int index) {
  if (namespace < 0 || (type == NEW_USER && is_inside(namespace, "/proc/self/ns/user"))) return;
  if (syscall(SYS_setns, namespace, type) < 0) fail(j, index, errno);
}

static int open_device(void) { return (int)syscall(SYS_openat, AT_FDCWD, "/dev/net/tun", O_RDWR | O_CLOEXEC | O_NONBLOCK, 0); }

static void make_tun(job *j, int index, step *s) {
  int fd = j->devices[index] >= 0 ? j->devices[index] : open_device();
  if (fd < 0 || syscall(SYS_ioctl, fd, TUNSETIFF, s->body) < 0) fail(j, index, errno);
  answer(j, index, 0, s->body, IFREQ, fd);
  syscall(SYS_close, fd);
}

static void make_socket(job *j, int index, const step *s) {
  int32_t a[3];
  memcpy(a, s->body, sizeof a);
  int fd = (int)syscall(SYS_socket, a[0], a[1] | SOCK_CLOEXEC, a[2]);
  if (fd < 0) fail(j, index, errno);
  answer(j, index, 0, NULL, 0, fd);
  syscall(SYS_close, fd);
}

/* The errno of the acknowledgement. Answers to other messages, and what is no answer, are passed over. */
static int acknowledged(int fd, uint32_t sequence) {
  _Alignas(struct nlmsghdr) char reply[8192];
  for (;;) {
    long got = syscall(SYS_recvfrom, fd, reply, sizeof reply, 0, NULL, NULL);
    if (got < 0) return errno;
    for (long at = 0; at + (long)sizeof(struct nlmsghdr) <= got;) {
      const struct nlmsghdr *h = (const struct nlmsghdr *)(reply + at);
      if (h->nlmsg_len < sizeof *h || h->nlmsg_len > (uint32_t)(got - at)) break;
      if (h->nlmsg_type == NLMSG_ERROR && h->nlmsg_seq == sequence && h->nlmsg_len >= NLMSG_LENGTH(sizeof(int)))
        return -((const struct nlmsgerr *)NLMSG_DATA(h))->error;
      at += NLMSG_ALIGN(h->nlmsg_len);
    }
  }
}

static void configure(job *j, int index, step *s) {
  if (j->netlink < 0) j->netlink = (int)syscall(SYS_socket, AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
  if (j->netlink < 0) fail(j, index, errno);
  struct nlmsghdr h;
  memcpy(&h, s->body, sizeof h);
  h.nlmsg_len = (uint32_t)s->length;
  h.nlmsg_flags |= NLM_F_REQUEST | NLM_F_ACK;
  h.nlmsg_seq = (uint32_t)index + 1;
  memcpy(s->body, &h, sizeof h);
  if (syscall(SYS_sendto, j->netlink, s->body, s->length, 0, NULL, 0) < 0) fail(j, index, errno);
  int error = acknowledged(j->netlink, h.nlmsg_seq);
  if (error != 0) fail(j, index, error);
  answer(j, index, 0, NULL, 0, -1);
}

/* The file must keep a name for as long as it is mounted: over one without, nobody else can mount. It gets it in a tmpfs that
 * only its mount holds. */
static int mount_here(const char *folder, const char *target, const char *text) {
  const long length = (long)strlen(text);
  if (syscall(SYS_chdir, folder) < 0) return errno;
  int fd = (int)syscall(SYS_openat, AT_FDCWD, "file", O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
  if (fd < 0 || syscall(SYS_fchmod, fd, 0644) < 0) return errno;
  long written = syscall(SYS_write, fd, text, length);
  if (written != length) return written < 0 ? errno : ENOSPC;
  syscall(SYS_close, fd);
  return syscall(SYS_mount, "file", target, NULL, MS_BIND, NULL) < 0 ? errno : 0;
}

static void mount_file(job *j, int index, const step *s) {
  const char *folder = (const char *)s->body, *target = folder + strlen(folder) + 1, *text = target + strlen(target) + 1;
  if (syscall(SYS_mount, "tmpfs", folder, "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, "size=128k,mode=755") < 0)
    fail(j, index, errno);
  int error = mount_here(folder, target, text);
  syscall(SYS_umount2, folder, MNT_DETACH);
  if (error != 0) fail(j, index, error);
  answer(j, index, 0, NULL, 0, -1);
}

static void child(job *j) {
  syscall(SYS_prctl, PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
  /* It has a copy of our memory: nobody in the namespaces it enters may look into it. */
  syscall(SYS_prctl, PR_SET_DUMPABLE, 0, 0, 0, 0);
  enter(j, j->user, NEW_USER, ENTER_USER);
  enter(j, j->net, NEW_NET, ENTER_NET);
  /* A tun belongs to the network namespace it was opened in, and the other mount namespace may have no such device. */
  for (int i = 0; i < j->count; i++) j->devices[i] = j->mount >= 0 && j->steps[i].kind == TUN ? open_device() : -1;
  enter(j, j->mount, NEW_MOUNT, ENTER_MOUNT);
  for (int i = 0; i < j->count; i++) {
    step *s = &j->steps[i];
    if (s->kind == TUN) make_tun(j, i, s);
    if (s->kind == SOCKET) make_socket(j, i, s);
    if (s->kind == NETLINK) configure(j, i, s);
    if (s->kind == MOUNT_FILE) mount_file(j, i, s);
  }
  syscall(SYS_exit_group, 0);
}

static bool fits(const step *s) {
  if (s->kind == TUN) return s->length == IFREQ;
  if (s->kind == SOCKET) return s->length == 12;
  if (s->kind == NETLINK) return s->length >= (int)sizeof(struct nlmsghdr);
  if (s->kind != MOUNT_FILE || s->length == 0 || s->body[s->length - 1] != 0) return false;
  int strings = 0;
  for (int i = 0; i < s->length; i++) strings += s->body[i] == 0;
  return strings == 3;
}

static bool parse(job *j, uint8_t *bytes, size_t length) {
  for (size_t at = 0; at < length; j->count++) {
    int32_t head[2];
    if (j->count == MOST_STEPS || length - at < sizeof head) return false;
    memcpy(head, bytes + at, sizeof head);
    at += sizeof head;
    if (head[1] < 0 || (size_t)head[1] > length - at) return false;
    step *s = &j->steps[j->count];
    *s = (step){head[0], head[1], bytes + at};
    if (!fits(s)) return false;
    at += ((size_t)head[1] + 3) & ~(size_t)3;
  }
  return true;
}

static long run(job *j, int32_t *out) {
  int ends[2];
  uint64_t all = ~(uint64_t)0, before = 0;
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0) return -errno;
  j->socket = ends[1];
  if (!ny_children_room()) {
    close(ends[0]);
    close(ends[1]);
    return -EAGAIN;
  }
  /* Node's handlers write to pipes that the child shares: it never handles a signal. */
  syscall(SYS_rt_sigprocmask, SIG_SETMASK, &all, &before, sizeof all);
  long pid = syscall(SYS_clone, (long)SIGCHLD, 0L, 0L, 0L, 0L);
  if (pid == 0) child(j);
  int error = errno;
  syscall(SYS_rt_sigprocmask, SIG_SETMASK, &before, NULL, sizeof before);
  close(ends[1]);
  ny_children_started((int)pid);
  if (pid < 0) {
    close(ends[0]);
    return -error;
  }
  out[0] = (int32_t)pid;
  out[1] = ends[0];
  return 0;
}

static napi_value fork_into(napi_env env, napi_callback_info info) {
  napi_value argv[5];
  int fds[3];
  ny_window w;
  int32_t *out;
  size_t room;
  if (!ny_args(env, info, 5, argv, NULL)) return NULL;
  for (int i = 0; i < 3; i++)
    if (!ny_int32(env, argv[i], &fds[i])) return NULL;
  if (!ny_bytes(env, argv[3], &w) || !ny_int32s(env, argv[4], &out, &room)) return NULL;
  job *j = calloc(1, sizeof *j + MOST_BYTES);
  if (j == NULL) return ny_number(env, -ENOMEM);
  j->user = fds[0], j->net = fds[1], j->mount = fds[2], j->netlink = -1;
  /* A copy: another thread may share the array. */
  uint8_t *bytes = (uint8_t *)(j + 1);
  if (w.length <= MOST_BYTES && w.length > 0) memcpy(bytes, w.data, w.length);
  if (room < 2 || w.length > MOST_BYTES || !parse(j, bytes, w.length)) {
    napi_throw_range_error(env, NULL, "steps that are not laid out as they should be, or no room for two numbers");
    free(j);
    return NULL;
  }
  long result = run(j, out);
  free(j);
  return ny_number(env, result);
}

void ny_init_namespaces(napi_env env, napi_value exports) { ny_method(env, exports, "forkInto", fork_into, NULL); }
