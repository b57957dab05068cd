//! Why something happened, as a short word for filters and a sentence for people; each belongs to a layer.

use std::fmt;

use serde::{Serialize, Serializer};

use super::verb::Layer;

macro_rules! reasons {
    ($($layer:ident { $($reason:ident = $word:literal, $sentence:literal;)* })*) => {
        /// Why.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(u8)]
        pub enum Reason { $($(#[doc = $sentence] $reason,)*)* }

        impl Reason {
            /// All of them.
            pub const ALL: &[Self] = &[$($(Self::$reason,)*)*];

            /// As it is asked for: `queue-full`.
            pub const fn word(self) -> &'static str {
                match self { $($(Self::$reason => $word,)*)* }
            }

            /// As a clause.
            pub const fn sentence(self) -> &'static str {
                match self { $($(Self::$reason => $sentence,)*)* }
            }

            /// Where it is decided.
            pub const fn layer(self) -> Layer {
                match self { $($(Self::$reason)|* => Layer::$layer,)* }
            }
        }
    };
}

reasons! {
    Physical {
        Wire = "wire", "it is on the wire";
        NotConnected = "not-connected", "nothing is plugged into the port";
        LinkDown = "link-down", "the link is down";
        LinkUp = "link-up", "the link is up";
        QueueFull = "queue-full", "the port's queue is full";
        Lost = "lost", "the link lost it";
        Duplicated = "duplicated", "the link delivered it twice";
        Reordered = "reordered", "the link held it back";
        CarrierBusy = "carrier-busy", "somebody else is sending";
        Gap = "gap", "the gap between frames is not over";
        Collision = "collision", "two stations sent at once";
        LateCollision = "late-collision", "it collided after the slot time, when nobody may still send";
        UndetectedCollision = "undetected-collision", "it collided after it was sent, so its sender does not know";
        ExcessiveCollisions = "excessive-collisions", "sixteen attempts collided";
        Backoff = "backoff", "it waits a random number of slot times after a collision";
        Runt = "runt", "it is a fragment shorter than the shortest frame";
        Repeated = "repeated", "a hub and a repeater repeat bits to every other port";
    }
    DataLink {
        Frame = "frame", "a frame between neighbours";
        OtherMac = "other-mac", "it is for another MAC address";
        MalformedFrame = "malformed-frame", "its header cannot be read";
        KnownMac = "known-mac", "the MAC table knows the port of this address";
        UnknownMac = "unknown-mac", "the MAC table does not know the destination address";
        BroadcastMac = "broadcast-mac", "it is for everybody";
        MulticastMac = "multicast-mac", "it is for a group";
        SamePort = "same-port", "its destination is on the port that it came from";
        SourceMac = "source-mac", "its source address shows where that station is";
        MovedMac = "moved-mac", "its source address was at another port before";
        AgedMac = "aged-mac", "nothing came from this address for the ageing time";
        TableFull = "table-full", "the MAC table is full";
        ReservedMac = "reserved-mac", "bridges pass this group address on to nobody";
        PortBlocked = "port-blocked", "spanning tree keeps this port from forwarding";
        SpanningTree = "spanning-tree", "bridges agree on a tree";
        PortLimit = "port-limit", "the device has no such port";
        SerialDown = "serial-down", "the serial link's protocol is not open";
        WrongFraming = "wrong-framing", "the other end frames differently";
        TooLong = "too-long", "it is longer than the link takes";
        ArpRequest = "arp-request", "who has this address?";
        ArpReply = "arp-reply", "the address is at this MAC address";
        ArpGratuitous = "arp-gratuitous", "a station announces its own address";
        ArpOther = "arp-other", "the question is for another station";
        ArpTimeout = "arp-timeout", "nobody answered for the address";
        ArpConflict = "arp-conflict", "another station says that it has the same address";
        NeighborSolicitation = "neighbor-solicitation", "who has this IPv6 address?";
        NeighborAdvertisement = "neighbor-advertisement", "the IPv6 address is at this MAC address";
        NeighborQueue = "neighbor-queue", "too many packets wait for the neighbour's answer";
        NeighborTimeout = "neighbor-timeout", "nobody answered for the IPv6 address";
        Snooped = "snooped", "a port joined or left a multicast group";
        GroupMember = "group-member", "the group table knows the ports that want it";
        GroupRouter = "group-router", "who joins or leaves is told to multicast routers only";
    }
    Network {
        Packet = "packet", "a packet between networks";
        MalformedPacket = "malformed-packet", "its IP header cannot be read";
        HeaderChecksum = "header-checksum", "its IP header checksum is wrong";
        NotForMe = "not-for-me", "it is for another address, and this host does not forward";
        NotMember = "not-member", "it is for a multicast group that this node has not joined";
        OwnAddress = "own-address", "it is for an address of this node";
        Route = "route", "the longest prefix of the route table decides";
        NoRoute = "no-route", "no route fits the destination";
        TimeExceeded = "time-exceeded", "its time to live is used up";
        FragmentationNeeded = "fragmentation-needed", "it is too long for the next link and must not be cut";
        PacketTooBig = "packet-too-big", "it is too long for the next link; IPv6 routers never cut";
        Fragmented = "fragmented", "it is longer than the next link takes";
        Reassembled = "reassembled", "all of its fragments are there";
        ReassemblyTimeout = "reassembly-timeout", "not all of its fragments came in time";
        ReassemblyBound = "reassembly-bound", "too many fragments wait";
        Martian = "martian", "no host may send from this address";
        EchoRequest = "echo-request", "an ICMP echo request";
        EchoToMany = "echo-to-many", "an echo request to everybody or to a group is not answered";
        EchoReply = "echo-reply", "an ICMP echo reply";
        IcmpError = "icmp-error", "an ICMP error message";
        IcmpBound = "icmp-bound", "ICMP errors about errors, broadcasts and later fragments are never sent";
        IcmpRate = "icmp-rate", "the host sends no more ICMP errors for now";
        HostUnreachable = "host-unreachable", "the next hop does not answer";
        ProtocolUnreachable = "protocol-unreachable", "the host does not speak this protocol";
        Nat = "nat", "the router translates addresses";
        NatNoState = "nat-no-state", "no translation knows it";
        NatPorts = "nat-ports", "no port is left for the translation";
        FilterRule = "filter-rule", "a rule of the filter decides";
        FilterState = "filter-state", "it belongs to a flow that the filter let pass";
        Stage = "stage", "a stage of the VPC decides";
        Routing = "routing", "a routing protocol changed the table";
        Igmp = "igmp", "a host joins or leaves a group";
        Dhcp = "dhcp", "an address is leased";
        AddressesExhausted = "addresses-exhausted", "every address of the pool is lent";
        DuplicateAddress = "duplicate-address", "two nodes hold the address";
        OpenShortestPath = "ospf", "OSPF";
        RoutingInformation = "rip", "RIP";
    }
    Transport {
        Segment = "segment", "a segment between programs";
        Datagram = "datagram", "a datagram between programs";
        MalformedSegment = "malformed-segment", "its header cannot be read";
        TransportChecksum = "transport-checksum", "its checksum is wrong";
        PortClosed = "port-closed", "nobody listens on the port";
        PortUnreachable = "port-unreachable", "nobody listens on the UDP port";
        Reset = "reset", "the other end reset the connection";
        BacklogFull = "backlog-full", "too many connections wait to be accepted";
        RetransmissionTimeout = "retransmission-timeout", "no acknowledgement came in time";
        FastRetransmit = "fast-retransmit", "three duplicate acknowledgements say that it is missing";
        PartialAcknowledgement = "partial-acknowledgement", "only a part was acknowledged, so what follows is missing, too";
        SackRecovery = "sack-recovery", "selective acknowledgements say that it is missing";
        PathMtu = "path-mtu", "a link of the way takes shorter packets only";
        SynAgain = "syn-again", "the other end's SYN has no answer yet";
        ZeroWindow = "zero-window", "the receiver has no room";
        OutOfOrder = "out-of-order", "something before it is missing";
        OutOfWindow = "out-of-window", "it lies outside the window";
        DuplicateSegment = "duplicate-segment", "all of it came before";
        Handshake = "handshake", "two ends agree to a connection";
        Closing = "closing", "an end has sent everything";
        GivenUp = "given-up", "the other end was silent for as long as it is waited for";
        Aborted = "aborted", "this end broke the connection off";
        TimeWait = "time-wait", "old segments die out before the ports serve again";
        ConnectTimeout = "connect-timeout", "nobody answered the SYN";
        Unreachable = "unreachable", "the network says that it does not get there";
        Congestion = "congestion", "loss means congestion";
        Balanced = "balanced", "the balancer chose this server";
        NoBackend = "no-backend", "no server is behind the address";
        NoPort = "no-port", "no local port is free";
    }
    Session {
        SocketOpened = "socket-opened", "a socket pair was made";
        SocketClosed = "socket-closed", "a socket pair ended";
        SocketTimeout = "socket-timeout", "the program waited long enough";
        ClosedEarly = "closed-early", "the other end closed before it had said everything";
    }
    Presentation {
        Encoding = "encoding", "how the data is written";
        Tls = "tls", "a TLS record";
    }
    Application {
        App = "app", "a program's own words";
        Question = "question", "a program asks";
        Reply = "reply", "a program answers";
        Done = "done", "the program is done";
        Failed = "failed", "the program failed";
        Rejected = "rejected", "the other end said no";
        NoNameServer = "no-name-server", "the host knows no name server";
        NoSuchName = "no-such-name", "the name does not exist";
        NoRecord = "no-record", "the name exists, but not with what was asked for";
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.word())
    }
}

impl Serialize for Reason {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.word())
    }
}
