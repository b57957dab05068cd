//! Netlink without policy: values to bytes and back, and one blocking socket.
