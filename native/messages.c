/* Descriptors over unix sockets (SCM_RIGHTS), and the error queue of datagram sockets (IP_RECVERR). */
#include "netyard.h"
#include <time.h>
#include <linux/errqueue.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define MOST_DESCRIPTORS 253 /* SCM_MAX_FD */
#define ADDRESS 128

static napi_value send_descriptors(napi_env env, napi_callback_info info) {
  napi_value argv[6];
  int64_t count;
  int fd;
  int32_t *descriptors;
  size_t room;
  ny_window w;
  if (!ny_args(env, info, 6, argv, NULL) || !ny_int32(env, argv[0], &fd) || !ny_window_of(env, argv + 1, &w) ||
      !ny_int32s(env, argv[4], &descriptors, &room) || !ny_int(env, argv[5], &count))
    return NULL;
  if (count < 0 || (uint64_t)count > room || count > MOST_DESCRIPTORS) {
    napi_throw_range_error(env, NULL, "that many descriptors are not there, or cannot be sent at once");
    return NULL;
  }
  _Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(int) * MOST_DESCRIPTORS)];
  struct iovec iov = {w.data, w.length};
  struct msghdr m = {.msg_iov = &iov, .msg_iovlen = 1};
  if (count > 0) {
    memset(control, 0, sizeof control);
    m.msg_control = control;
    m.msg_controllen = CMSG_SPACE(sizeof(int) * (size_t)count);
    struct cmsghdr *c = CMSG_FIRSTHDR(&m);
    c->cmsg_level = SOL_SOCKET;
    c->cmsg_type = SCM_RIGHTS;
    c->cmsg_len = CMSG_LEN(sizeof(int) * (size_t)count);
    memcpy(CMSG_DATA(c), descriptors, sizeof(int) * (size_t)count);
  }
  return ny_result(env, sendmsg(fd, &m, MSG_NOSIGNAL | MSG_DONTWAIT));
}

static napi_value receive_descriptors(napi_env env, napi_callback_info info) {
  napi_value argv[5];
  int fd;
  int32_t *descriptors;
  size_t room;
  ny_window w;
  if (!ny_args(env, info, 5, argv, NULL) || !ny_int32(env, argv[0], &fd) || !ny_window_of(env, argv + 1, &w) ||
      !ny_int32s(env, argv[4], &descriptors, &room))
    return NULL;
  if (room < 2) {
    napi_throw_range_error(env, NULL, "no room for how many descriptors there are, and whether some are lost");
    return NULL;
  }
  _Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(int) * MOST_DESCRIPTORS)];
  struct iovec iov = {w.data, w.length};
  struct msghdr m = {.msg_iov = &iov, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
  descriptors[0] = descriptors[1] = 0;
  ssize_t got = recvmsg(fd, &m, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
  if (got < 0) return ny_result(env, got);
  size_t kept = 0;
  /* The kernel sets it too when this process may have no more descriptors, and tells nothing of those it kept back. */
  bool lost = (m.msg_flags & MSG_CTRUNC) != 0;
  for (struct cmsghdr *c = CMSG_FIRSTHDR(&m); c != NULL; c = CMSG_NXTHDR(&m, c)) {
    if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS) continue;
    size_t count = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (size_t i = 0; i < count; i++) {
      int one;
      memcpy(&one, CMSG_DATA(c) + i * sizeof one, sizeof one);
      if (2 + kept < room) {
        descriptors[2 + kept++] = one;
      } else {
        close(one);
        lost = true;
      }
    }
  }
  descriptors[0] = (int32_t)kept;
  descriptors[1] = lost;
  return ny_number(env, got);
}

static napi_value receive_error(napi_env env, napi_callback_info info) {
  napi_value argv[7];
  int fd;
  int32_t *detail;
  size_t room;
  ny_window w, address, offender;
  if (!ny_args(env, info, 7, argv, NULL) || !ny_int32(env, argv[0], &fd) || !ny_window_of(env, argv + 1, &w) ||
      !ny_int32s(env, argv[4], &detail, &room) || !ny_bytes(env, argv[5], &address) || !ny_bytes(env, argv[6], &offender))
    return NULL;
  if (room < 7 || address.length < ADDRESS || offender.length < ADDRESS) {
    napi_throw_range_error(env, NULL, "seven numbers and two addresses of 128 bytes are wanted");
    return NULL;
  }
  _Alignas(struct cmsghdr) char control[512];
  struct iovec iov = {w.data, w.length};
  struct msghdr m = {.msg_name = address.data, .msg_namelen = ADDRESS, .msg_iov = &iov, .msg_iovlen = 1,
                     .msg_control = control, .msg_controllen = sizeof control};
  ssize_t got = recvmsg(fd, &m, MSG_ERRQUEUE | MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
  if (got < 0) return ny_result(env, got);
  memset(detail, 0, 7 * sizeof *detail);
  detail[5] = (int32_t)(m.msg_namelen > ADDRESS ? ADDRESS : m.msg_namelen);
  for (struct cmsghdr *c = CMSG_FIRSTHDR(&m); c != NULL; c = CMSG_NXTHDR(&m, c)) {
    bool v4 = c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_RECVERR;
    bool v6 = c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_RECVERR;
    size_t size = c->cmsg_len - CMSG_LEN(0);
    if ((!v4 && !v6) || size < sizeof(struct sock_extended_err)) continue;
    struct sock_extended_err e;
    memcpy(&e, CMSG_DATA(c), sizeof e);
    detail[0] = (int32_t)e.ee_errno;
    detail[1] = e.ee_origin;
    detail[2] = e.ee_type;
    detail[3] = e.ee_code;
    detail[4] = (int32_t)e.ee_info;
    size_t rest = size - sizeof e;
    if (rest > ADDRESS) rest = ADDRESS;
    memcpy(offender.data, CMSG_DATA(c) + sizeof e, rest);
    detail[6] = (int32_t)rest;
  }
  return ny_number(env, got);
}

void ny_init_messages(napi_env env, napi_value exports) {
  ny_method(env, exports, "sendDescriptors", send_descriptors, NULL);
  ny_method(env, exports, "receiveDescriptors", receive_descriptors, NULL);
  ny_method(env, exports, "receiveError", receive_error, NULL);
}
