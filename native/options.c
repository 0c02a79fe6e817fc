/*
 * Options of setsockopt(2) and getsockopt(2) whose value is only what the window holds. With others the kernel reads or
 * writes where the value says (SO_ATTACH_FILTER, TCP_ZEROCOPY_RECEIVE, XDP_UMEM_REG), beyond the window (SO_GET_FILTER
 * counts its length in instructions; netfilter's), or after the call (SO_ZEROCOPY).
 */
#include "netyard.h"

typedef struct {
  int level, first, last; /* the numbers of the options, both included */
} range;

static const range ranges[] = {
    {1, 1, 25},     /* SOL_SOCKET up to SO_ATTACH_FILTER */
    {1, 27, 50},    /* up to SO_ATTACH_REUSEPORT_CBPF */
    {1, 52, 59},    /* up to SO_ZEROCOPY */
    {1, 61, 77},    /* up to SO_PEERPIDFD */
    {0, 1, 51},     /* IPPROTO_IP; netfilter's begin at 64 */
    {41, 1, 63},    /* IPPROTO_IPV6 up to netfilter's */
    {41, 70, 79},   /* and behind them */
    {6, 1, 34},     /* IPPROTO_TCP up to TCP_ZEROCOPY_RECEIVE */
    {6, 36, 37},
    {17, 1, 1},     /* UDP_CORK */
    {17, 100, 104}, /* UDP_ENCAP to UDP_GRO */
    {58, 1, 1},     /* ICMPV6_FILTER */
    {255, 1, 1},    /* ICMP_FILTER */
    {40, 0, 8},     /* AF_VSOCK */
    {270, 1, 12},   /* SOL_NETLINK */
    {283, 1, 3},    /* SOL_XDP up to XDP_UMEM_REG */
    {283, 5, 8},
};

bool ny_option_permitted(int level, int name) {
  for (size_t i = 0; i < sizeof ranges / sizeof *ranges; i++)
    if (ranges[i].level == level && name >= ranges[i].first && name <= ranges[i].last) return true;
  return false;
}
