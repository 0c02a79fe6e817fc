/* Many datagrams per system call, over one arena and parallel arrays (binding.ts, NativeBatch). */
#include "netyard.h"
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

#define MOST 64
#define STRIDE 128
#define CONTROL 64

typedef struct {
  ny_window bytes, addresses, ttl, tos;
  int32_t *offset, *length, *address_length;
  size_t capacity;
} batch;

static bool property(napi_env env, napi_value object, const char *name, napi_value *out) {
  return napi_get_named_property(env, object, name, out) == napi_ok;
}

static bool read_batch(napi_env env, napi_value object, batch *b) {
  napi_value v;
  size_t lengths, names;
  if (!property(env, object, "bytes", &v) || !ny_bytes(env, v, &b->bytes)) return false;
  if (!property(env, object, "offset", &v) || !ny_int32s(env, v, &b->offset, &b->capacity)) return false;
  if (!property(env, object, "length", &v) || !ny_int32s(env, v, &b->length, &lengths)) return false;
  if (!property(env, object, "addressLength", &v) || !ny_int32s(env, v, &b->address_length, &names)) return false;
  if (!property(env, object, "addresses", &v) || !ny_bytes(env, v, &b->addresses)) return false;
  if (!property(env, object, "ttl", &v) || !ny_bytes(env, v, &b->ttl)) return false;
  if (!property(env, object, "tos", &v) || !ny_bytes(env, v, &b->tos)) return false;
  if (lengths < b->capacity || names < b->capacity || b->ttl.length < b->capacity || b->tos.length < b->capacity ||
      b->addresses.length / STRIDE < b->capacity) {
    napi_throw_range_error(env, NULL, "the batch's arrays differ in length");
    return false;
  }
  return true;
}

static bool inside(const batch *b, size_t i) {
  return b->offset[i] >= 0 && b->length[i] >= 0 && (size_t)b->offset[i] <= b->bytes.length &&
         (size_t)b->length[i] <= b->bytes.length - (size_t)b->offset[i];
}

static bool outside(napi_env env) {
  napi_throw_range_error(env, NULL, "a datagram's window is not inside the arena");
  return false;
}

static void append(struct msghdr *message, int level, int type, int value) {
  struct cmsghdr *c = (struct cmsghdr *)((char *)message->msg_control + message->msg_controllen);
  memset(c, 0, CMSG_SPACE(sizeof value));
  c->cmsg_level = level;
  c->cmsg_type = type;
  c->cmsg_len = CMSG_LEN(sizeof value);
  memcpy(CMSG_DATA(c), &value, sizeof value);
  message->msg_controllen += CMSG_SPACE(sizeof value);
}

static napi_value send_batch(napi_env env, napi_callback_info info) {
  napi_value argv[6];
  int64_t from, count;
  int fd, flags, family;
  batch b;
  if (!ny_args(env, info, 6, argv, NULL) || !ny_int32(env, argv[0], &fd) || !read_batch(env, argv[1], &b) ||
      !ny_int(env, argv[2], &from) || !ny_int(env, argv[3], &count) || !ny_int32(env, argv[4], &flags) ||
      !ny_int32(env, argv[5], &family))
    return NULL;
  if (from < 0 || count < 0 || (uint64_t)from > b.capacity || (uint64_t)count > b.capacity - (uint64_t)from) {
    outside(env);
    return NULL;
  }
  if (count > MOST) count = MOST;
  struct mmsghdr messages[MOST];
  struct iovec iov[MOST];
  _Alignas(struct cmsghdr) char control[MOST][CONTROL];
  memset(messages, 0, sizeof(struct mmsghdr) * (size_t)count);
  for (int64_t n = 0; n < count; n++) {
    size_t i = (size_t)(from + n);
    struct msghdr *m = &messages[n].msg_hdr;
    if (!inside(&b, i) || b.address_length[i] < 0 || b.address_length[i] > STRIDE) {
      outside(env);
      return NULL;
    }
    iov[n].iov_base = b.bytes.data + b.offset[i];
    iov[n].iov_len = (size_t)b.length[i];
    m->msg_iov = &iov[n];
    m->msg_iovlen = 1;
    if (b.address_length[i] > 0) {
      m->msg_name = b.addresses.data + i * STRIDE;
      m->msg_namelen = (socklen_t)b.address_length[i];
    }
    if (b.ttl.data[i] == 0 && b.tos.data[i] == 0) continue;
    m->msg_control = control[n];
    bool v6 = family == AF_INET6;
    if (b.ttl.data[i] != 0) append(m, v6 ? IPPROTO_IPV6 : IPPROTO_IP, v6 ? IPV6_HOPLIMIT : IP_TTL, b.ttl.data[i]);
    if (b.tos.data[i] != 0) append(m, v6 ? IPPROTO_IPV6 : IPPROTO_IP, v6 ? IPV6_TCLASS : IP_TOS, b.tos.data[i]);
  }
  return ny_result(env, sendmmsg(fd, messages, (unsigned)count, flags));
}

static void note_control(batch *b, size_t i, struct msghdr *m) {
  b->ttl.data[i] = b->tos.data[i] = 0;
  for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c != NULL; c = CMSG_NXTHDR(m, c)) {
    int value = 0;
    size_t size = c->cmsg_len - CMSG_LEN(0);
    memcpy(&value, CMSG_DATA(c), size < sizeof value ? size : sizeof value);
    bool v6 = c->cmsg_level == IPPROTO_IPV6;
    if ((v6 && c->cmsg_type == IPV6_HOPLIMIT) || (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_TTL))
      b->ttl.data[i] = (uint8_t)value;
    if ((v6 && c->cmsg_type == IPV6_TCLASS) || (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_TOS))
      b->tos.data[i] = (uint8_t)value;
  }
}

static napi_value receive_batch(napi_env env, napi_callback_info info) {
  napi_value argv[4];
  int64_t count;
  int fd, flags;
  batch b;
  if (!ny_args(env, info, 4, argv, NULL) || !ny_int32(env, argv[0], &fd) || !read_batch(env, argv[1], &b) ||
      !ny_int(env, argv[2], &count) || !ny_int32(env, argv[3], &flags))
    return NULL;
  if (count < 0 || (uint64_t)count > b.capacity) {
    outside(env);
    return NULL;
  }
  if (count > MOST) count = MOST;
  struct mmsghdr messages[MOST];
  struct iovec iov[MOST];
  _Alignas(struct cmsghdr) char control[MOST][CONTROL];
  memset(messages, 0, sizeof(struct mmsghdr) * (size_t)count);
  for (size_t i = 0; i < (size_t)count; i++) {
    struct msghdr *m = &messages[i].msg_hdr;
    if (!inside(&b, i)) {
      outside(env);
      return NULL;
    }
    iov[i].iov_base = b.bytes.data + b.offset[i];
    iov[i].iov_len = (size_t)b.length[i];
    m->msg_iov = &iov[i];
    m->msg_iovlen = 1;
    m->msg_name = b.addresses.data + i * STRIDE;
    m->msg_namelen = STRIDE;
    m->msg_control = control[i];
    m->msg_controllen = CONTROL;
  }
  int got = recvmmsg(fd, messages, (unsigned)count, flags | MSG_TRUNC | MSG_CMSG_CLOEXEC, NULL);
  int error = errno;
  for (int i = 0; i < got; i++) {
    b.length[i] = (int32_t)messages[i].msg_len;
    socklen_t length = messages[i].msg_hdr.msg_namelen;
    b.address_length[i] = (int32_t)(length > STRIDE ? STRIDE : length);
    note_control(&b, (size_t)i, &messages[i].msg_hdr);
  }
  errno = error;
  return ny_result(env, got);
}

void ny_init_batches(napi_env env, napi_value exports) {
  ny_method(env, exports, "sendBatch", send_batch, NULL);
  ny_method(env, exports, "receiveBatch", receive_batch, NULL);
}
