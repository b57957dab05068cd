//! The one registry of our own error codes: `vpclab explain VL0312` prints an entry of it.
//!
//! Numbers are never reused. VL00 reading, VL01 shape of the file, VL02 values, VL03 rules and names, VL04
//! claims and probes, VL05 refusals of the cloud, VL06 what AWS's tools wrote, VL07 snapshots.

use std::fmt;
use std::str::FromStr;

macro_rules! registry {
    ($($name:ident = $number:literal, $title:literal, $explanation:literal, $example:literal;)*) => {
        /// A kind of error.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Code {$(
            #[doc = $title]
            $name,
        )*}

        impl Code {
            /// Every code, by number.
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            /// The number.
            pub fn number(self) -> u16 {
                match self { $(Self::$name => $number,)* }
            }

            /// A few words.
            pub fn title(self) -> &'static str {
                match self { $(Self::$name => $title,)* }
            }

            /// Why it is an error and what to do.
            pub fn explanation(self) -> &'static str {
                match self { $(Self::$name => $explanation,)* }
            }

            /// What is wrong and what is right, as lines of a file or command.
            pub fn example(self) -> &'static str {
                match self { $(Self::$name => $example,)* }
            }
        }
    };
}

registry! {
    CannotRead = 1, "a file cannot be read", "The file does not exist, is a folder, or is not yours to read. Paths after `include:` and in `user_data` count from the file that names them.", "include: base.yaml        # beside this file";
    NotUtf8 = 2, "a file is not UTF-8", "Lab files are UTF-8 text. The error names the first byte that is not.", "iconv -f EUC-KR -t UTF-8 old.yaml > shop.yaml";
    TooLarge = 3, "a file is too large", "A lab file has at most 8 MiB. Many like instances are one instance with `count:`.", "web: { subnet: public, sg: web, count: 200 }";
    EmptyFile = 4, "a file holds no lab", "There is nothing in the file, or only comments.", "vpclab init";
    SeveralDocuments = 5, "a file holds several YAML documents", "`---` starts a second document. A lab is one document; other files come in by `include:`.", "include: other.yaml";
    YamlSyntax = 6, "the YAML cannot be read", "The text breaks a rule of YAML: a bracket or quote is not closed, a column is wrong, or text with special characters has no quotes.", "wrong: key: value: more\nright: key: \"value: more\"";
    Tab = 7, "a tab where YAML wants spaces", "YAML does not allow tabs in the white space that shows nesting.", "use two spaces for each level";
    TooDeep = 8, "nested too deep", "Lists and mappings may nest 48 levels deep. A lab needs about eight.", "check for brackets that are never closed";
    TooManyAliases = 9, "aliases repeat too much", "Aliases (`*name`) may repeat 100,000 values in all, so that a small file cannot fill the memory.", "web-2: { like: web-1 }";
    DuplicateKey = 10, "a key is written twice", "YAML readers differ on which of two equal keys counts; a lab file may not have them.", "wrong: { sg: web, sg: app }\nright: { sg: [web, app] }";
    IncludeCycle = 11, "files include each other", "A file cannot be below itself.", "move what both need into a third file";
    UnknownAnchor = 12, "an alias without its anchor", "`*name` repeats what `&name` marked earlier in the same file.", "base: &base { az: a }\nother: *base";
    YamlTag = 13, "a YAML tag", "Words that start with `!` choose types in other formats. A lab file needs none.", "wrong: !Ref web\nright: web";
    KeyNotAWord = 14, "a key is not a word", "Keys are names, not lists or mappings.", "wrong: [a, b]: 1\nright: a: 1";

    UnknownKey = 101, "an unknown key", "The key means nothing at this place. Keys are the same in every file; `vpclab schema` lists them and editors complete them.", "wrong: subnts: {}\nright: subnets: {}";
    WrongKind = 102, "a value of the wrong kind", "A list stands where a word or a mapping is wanted, or the other way round.", "wrong: subnets: [a, b]\nright: subnets: { a: { cidr: /26 } }";
    BooleanForText = 103, "a boolean where text is wanted", "YAML readers take unquoted true, false, yes, no, on and off for booleans. Quote them to mean the word.", "wrong: tags: { public: yes }\nright: tags: { public: \"yes\" }";
    LeadingZero = 104, "a number with a leading zero", "YAML 1.1 readers take 010 for eight, YAML 1.2 readers for ten.", "wrong: hop_limit: 010\nright: hop_limit: 10";
    FloatForText = 105, "a decimal number where text is wanted", "YAML readers take 1.10 for the number 1.1 and lose the zero.", "wrong: tags: { version: 1.10 }\nright: tags: { version: \"1.10\" }";
    SexagesimalForText = 106, "a number in base 60", "YAML 1.1 readers take 22:30 for 1350.", "wrong: 22:30\nright: \"22:30\"";
    NoValue = 107, "a key without a value", "The line ends after the colon where a value is needed.", "wrong: region:\nright: region: ap-northeast-2";
    MissingKey = 108, "a key is missing", "The thing cannot be made without it.", "wrong: subnets: { a: { az: a } }\nright: subnets: { a: { az: a, cidr: /26 } }";
    NotABoolean = 109, "neither true nor false", "The key wants a boolean: true or false.", "wrong: dns_support: yes\nright: dns_support: true";
    NotANumber = 110, "not a number", "The key wants a whole number.", "wrong: count: three\nright: count: 3";
    NotAChoice = 111, "not one of the words that are possible", "The key knows a few words only; the error lists them.", "metadata: { tokens: required }";
    BadName = 112, "not a name", "A name starts with a letter and goes on with letters, digits, `-`, `_` or `.`; it has at most 63 characters.", "wrong: 1st-web\nright: web-1";
    ReservedWord = 113, "a reserved word as a name", "internet, anywhere, any, all, tcp, udp, icmp, igw, eigw, nat, local and none have a meaning in sentences.", "wrong: instances: { internet: {} }\nright: instances: { gateway: {} }";
    NotBuiltYet = 114, "not built yet", "The key is planned and does nothing in this version; it is refused so that nobody waits for it.", "remove it, or keep it in a second file that includes the first";
    Conflict = 115, "two keys contradict each other", "Both keys decide the same thing, or one address would belong to several instances: `like` copies all keys, and `count` does.", "wrong: { subnet: a, interfaces: [{ subnet: b }] }\nright: { interfaces: [{ subnet: a }, { subnet: b }] }";
    OutOfRange = 116, "a number out of range", "The number is below or above what is possible.", "metadata: { hop_limit: 2 }      # 1 to 64";

    NotAnAddress = 201, "not an address", "An IP address is wanted, without a prefix length.", "wrong: private_ip: 10.0.0\nright: private_ip: 10.0.0.10";
    NotABlock = 202, "not a block of addresses", "A block is a network address and a prefix length.", "wrong: cidr: 10.0.0.0\nright: cidr: 10.0.0.0/16";
    HostBits = 203, "a block that does not start at its beginning", "Bits after the prefix length are set. AWS changes such a block silently in some calls and refuses it in others; here it is always refused.", "wrong: 10.0.0.1/24\nright: 10.0.0.0/24";
    UnknownZone = 204, "not a zone", "A zone is a letter from a to f, or the whole name with the lab's region.", "az: a      # the same as ap-northeast-2a";
    BadListener = 205, "not a listener", "A listener is `tcp/PORT` or `udp/PORT`.", "listen: [tcp/80, udp/53]";
    NoRoom = 206, "a subnet does not fit", "The VPC's blocks have no free space of this size left. `/size` subnets are carved in file order and go around the pinned ones.", "vpclab cidr free 10.0.0.0/16 10.0.0.0/17";
    BadRouteTarget = 207, "not a route's target", "A route leads to igw, eigw (IPv6), vpn, nat@SUBNET or nat@NAME, peering NAME, tgw NAME, endpoint NAME, instance NAME, or blackhole. In a transit gateway's table it leads to an attachment, by the name of its VPC or `tgw NAME`, or is a blackhole.", "routes: { 0.0.0.0/0: nat@public-a }";
    BadUserData = 208, "user data that cannot be", "User data has at most 16 KiB (UD-1).", "user_data: { file: boot.sh }";
    BadKeyPair = 209, "not a public key", "A key pair is given by its public key in OpenSSH's form.", "key_pairs: { me: ssh-ed25519 AAAA… me@laptop }";
    BadImage = 210, "not an image", "A container's image is a name under `images:`, or a reference as registries have them: `[HOST[:PORT]/]NAME[:TAG][@DIGEST]`. An entry of `images:` says where one comes from.", "images: { web: build ./web, db: pull mariadb:11, tool: archive tool.tar }";
    BadPublish = 211, "not a published port", "A published port is `[ADDRESS:]PORT->PORT[/udp]`: a port of the instance, an arrow, a port of the container. One number stands for both; ranges are as long on both sides.", "publish: [80, 8080->80, 127.0.0.1:9000->9000, 53->53/udp]";
    BadMount = 212, "not a mount", "A mount is `SOURCE:/PATH[:ro]`. The source is a volume of `volumes:`, a path that begins with `./`, `../` or `/` (of this machine, counted from the lab file), or tmpfs. `/PATH` alone is a volume of the container's own.", "mounts: [db-data:/var/lib/mysql, ./site:/site:ro, tmpfs:/run:size=64m]";
    BadDuration = 213, "not a duration", "A duration is numbers with units: ns, us, ms, s, m, h.", "wrong: interval: 2\nright: interval: 2s";
    BadSize = 214, "not a size", "A size is a number with a unit: b, k, m, g, t. Each is 1,024 times the one before, as Docker counts.", "wrong: memory: 512\nright: memory: 512m";
    BadCommand = 215, "a command line that cannot be cut into words", "A command is a list of words, or one text that is cut as a shell cuts it: quotes and backslashes hold together, nothing is expanded.", "command: nginx -g 'daemon off;'\ncommand: [nginx, -g, daemon off;]";
    BadEnvironment = 216, "an environment that cannot be", "Variables and labels are a mapping, or a list of NAME=VALUE. A name has no `=` in it, and a file of `env_file` has one NAME=VALUE a line.", "env: { MYSQL_ROOT_PASSWORD: example }";
    BadContainer = 217, "a container that cannot be", "What is asked for is no name, host name, user, signal or network that a container can have, or not within Docker's limits.", "networks: back      # or host, none, bridge, container:NAME, or a list of names";
    BadRate = 218, "not a rate", "A rate is bits per second: a number with b, k, M or G, each 1,000 times the one before. The fastest link has 400G.", "wrong: hubs: { hub-1: 10 }\nright: hubs: { hub-1: 10M }";
    BadShare = 219, "not a share", "A share of frames is 0% to 100%.", "- pc-1 -- sw-1 loss 1%";
    BadMac = 220, "not a MAC address", "A MAC address is six pairs of hexadecimal digits. One whose first byte is odd is a group's and cannot be an interface's; one that begins with 02 is nobody else's.", "mac: 02:00:00:00:00:0a";
    BadInterfaceAddress = 221, "an address that an interface cannot have", "An interface has an address and the length of its network's prefix. The first address of a network is the network's own, the last one IPv4's broadcast; gateways and next hops are reached only in a network of one's own.", "wrong: pc-1: 10.0.1.0/24\nright: pc-1: 10.0.1.10/24";
    BadService = 222, "not something that can be served", "A service is echo, ftp, http, https, smtp, snmp, telnet or tftp, with a port if it is another; `dhcp FIRST-LAST [gateway A] [dns A] [lease TIME]`; or `dns NAME=ADDRESS …`.", "serve: [http, telnet 2323, dhcp 10.0.1.100-10.0.1.199 gateway 10.0.1.1]";

    NoIpv6 = 223, "no IPv6 where it is asked for", "A VPC has IPv6 by `ipv6: true` or `ipv6: BLOCK`, a subnet has a /64 of it by its own `ipv6: true`, and instances have addresses of their subnet's. Routes for IPv6 need a VPC that has it.", "vpcs: { shop: { cidr: 10.0.0.0/16, ipv6: true, subnets: { a: { cidr: /24, ipv6: true } } } }";

    RuleSyntax = 301, "a rule that cannot be read", "A rule is `[out] PROTO[/PORTS] (from|to) PEER[, PEER…]`. Incoming rules say from, outgoing ones start with out and say to.", "- tcp/80,443 from anywhere\n- out tcp/443 to anywhere";
    UnknownProtocol = 302, "an unknown protocol", "Known are tcp, udp, icmp, icmpv6, all (or any), gre, esp, ah, sctp, and any other as proto-NUMBER.", "wrong: tpc/80 from anywhere\nright: tcp/80 from anywhere";
    BadPorts = 303, "ports that cannot be read", "Ports are numbers from 0 to 65535, services by name, ranges, or lists of them.", "tcp/80,443,8000-8080";
    BadPeer = 304, "a peer that cannot be read", "A peer is anywhere, sg:NAME, subnet:NAME, vpc:NAME, pl:NAME, an outside place, an address or a block.", "- tcp/3306 from sg:web, 10.0.0.0/8";
    AclSyntax = 305, "a network ACL entry that cannot be read", "An entry is its number, allow or deny, and a rule.", "- 100 allow tcp/443 from anywhere\n- 100 allow out tcp/1024-65535 to anywhere";
    AclPeer = 306, "a network ACL cannot name this", "Network ACLs know blocks only: no security groups and no prefix lists (ACL-5).", "- 100 allow tcp/3306 from subnet:web";
    AclNumber = 307, "two network ACL entries with one number", "Numbers are unique in each direction. An entry with several ports or blocks takes the numbers that follow.", "- 100 allow tcp/80,443 from anywhere   # 100 and 101\n- 110 allow tcp/22 from office";
    SentenceKind = 308, "not a sentence", "Rules and claims are one text a line. A colon followed by a space makes a mapping of it.", "wrong: - tcp/22 from sg: bastion\nright: - tcp/22 from sg:bastion";
    UnknownSecurityGroup = 312, "an unknown security group", "No group of this name in the lab. Groups inside a VPC are `vpc/name` from outside it.", "- tcp/3306 from sg:web";
    UnknownSubnet = 313, "an unknown subnet", "No subnet of this name. When two VPCs have one, write `vpc/name`.", "subnet: shop/public-a";
    UnknownVpc = 314, "an unknown VPC", "No VPC of this name in the lab.", "peerings: { ab: { vpcs: [shop, data] } }";
    UnknownAcl = 315, "an unknown network ACL", "No network ACL of this name. `default` is the one that comes with the VPC.", "acls: { strict: [100 allow all from anywhere] }";
    UnknownRouteTable = 316, "an unknown route table", "`route:` says igw, nat@SUBNET, none, or the name of a table under `route_tables`.", "route: igw";
    UnknownInstance = 317, "an unknown instance", "No instance of this name. `count: 3` makes web-1, web-2 and web-3 of web.", "like: web-1";
    UnknownNat = 318, "an unknown NAT gateway", "`nat@` is followed by the name of a subnet (a gateway is made there) or of an entry of `nat_gateways`.", "route: nat@public-a";
    UnknownPeering = 319, "an unknown peering connection", "No peering connection of this name.", "routes: { 10.1.0.0/16: peering ab }";
    UnknownEndpoint = 320, "an unknown endpoint", "No endpoint of this name.", "endpoints: { s3: { service: s3 } }";
    UnknownPrefixList = 321, "an unknown prefix list", "No prefix list of this name.", "prefix_lists: { offices: [203.0.113.0/24] }";
    UnknownKeyPair = 322, "an unknown key pair", "No key pair of this name.", "key_pairs: { me: ssh-ed25519 AAAA… }";
    LikeCycle = 323, "instances copy each other", "`like` leads back to where it started.", "web-1: { subnet: a }\nweb-2: { like: web-1 }";
    AmbiguousName = 324, "a name that several things have", "Two VPCs have a thing of this name: say which.", "sg: shop/web";
    NameClash = 325, "one name for two things", "Instances, outside places and devices of lans share one namespace, because all are ends of claims and probes.", "outside: { office: 203.0.113.7 }\ninstances: { office-gw: { subnet: a } }";
    WrongVpc = 326, "a thing of another VPC", "The two things are in different VPCs, and AWS keeps them apart.", "sg: data/db";
    UnknownOutside = 327, "an unknown place", "A plain word in a rule is an outside place. Security groups are written sg:NAME.", "- tcp/22 from office";
    UnknownVolume = 328, "an unknown volume", "A named volume is declared under `volumes:`, so that a misspelt name does not become an empty volume.", "volumes: { db-data: {} }";
    UnknownContainer = 329, "an unknown container", "`depends_on` and `container:NAME` mean containers of the same instance: containers of other instances are reached through the network only.", "containers: { db: { image: mariadb }, web: { image: nginx, depends_on: db } }";
    DependencyCycle = 330, "containers wait for each other", "None of them could be started first.", "wrong: containers: { aa: { image: x, depends_on: bb }, bb: { image: x, depends_on: aa } }\nright: containers: { aa: { image: x }, bb: { image: x, depends_on: aa } }";
    PortTaken = 331, "a port that something else has", "A port of an instance belongs to one container, or to the built-in listener of `listen`. A published port is a listener by itself and need not stand in `listen`.", "web-1: { listen: tcp/22, containers: { web: { image: nginx, publish: 80 } } }";
    LinkSyntax = 332, "a link that cannot be read", "A link is `END -- END [words]`. An end is DEVICE, DEVICE:INTERFACE or vpc:NAME; several on one side are several links. Words are a rate (100M), a delay (5us), a cable (utp 100m, fiber 2km, coax), loss, duplicate and reorder with a share, queue with frames, mtu with bytes, ppp, hdlc, down.", "- pc-1, pc-2 -- sw-1\n- r-1:serial0 -- r-2:serial0 ppp 64k 5ms";
    UnknownDevice = 333, "an unknown device of a lan", "No hub, switch, bridge, repeater, router, host or balancer of this name in the lan, or no such interface of it.", "hosts: { pc-1: 10.0.1.10/24 }\nlinks: [pc-1 -- sw-1]";
    BadLink = 334, "a link that cannot be", "An interface has one link; a bridge and a repeater have two; what repeats bits has one rate, and hubs stand in no circle; serial lines are between routers and hosts; a VPC is reached through a router.", "wrong: [pc-1 -- hub-1, pc-1 -- hub-2]\nright: [pc-1 -- hub-1, hub-1 -- hub-2]";
    LanRouteSyntax = 335, "a route of a lan that cannot be read", "A route is `BLOCK via ADDRESS`, `BLOCK dev INTERFACE` or both; `default` is everything else.", "routes: [10.0.3.0/24 via 10.0.2.2, default via 10.0.2.254, 10.9.0.0/16 dev serial0]";
    FilterSyntax = 336, "a rule of a filter that cannot be read", "A rule is `(allow|deny) PROTO[/PORTS] [from BLOCK] [to BLOCK] [in INTERFACE] [out INTERFACE]`. The first that matches a connection's first packet decides; without one it passes.", "filter: [allow tcp/80 to 10.0.2.0/24, deny all in eth1]";

    StatementSyntax = 337, "a statement that cannot be read", "A statement is `(allow|deny) ACTION[, …] [on RESOURCE[, …]] [if OPERATOR KEY VALUE[, …] [and …]]`; without `on` it is about everything. Resources are `*`, whole names, or TYPE/ID for any region and account. What it has no words for is written as AWS does.", "- deny ec2:TerminateInstances on instance/* if StringEquals ec2:ResourceTag/env prod\n- { Effect: Allow, NotAction: iam:*, Resource: \"*\" }";
    BadPolicy = 338, "a policy that cannot be", "A policy is a list of statements, a document in AWS's words, or `file: PATH`. A document follows the rules of AWS's: Effect, Action or NotAction, Resource or NotResource, and Principal in trust policies alone.", "iam: { policies: { look: [allow ec2:Describe*] } }";
    UnknownPolicy = 339, "an unknown policy", "Policies go by name: those under `iam: policies:`, then those that AWS manages and the lab knows; or by resource name.", "users: { dev: AmazonEC2ReadOnlyAccess }";
    UnknownIdentity = 340, "an unknown user, group, role or instance profile", "No user, group, role or instance profile of this name under `iam:`.", "iam: { groups: { ops: AdministratorAccess }, users: { kim: { groups: ops } } }";
    BadTrust = 341, "not somebody who could assume a role", "A role is trusted to `ec2`, `user NAME`, `role NAME`, `account`, `account NUMBER`, `service NAME`, a resource name, or what a document of AWS's says.", "roles: { app: { trust: ec2 } }";
    IdentityRefused = 342, "IAM refuses", "What is written cannot be an identity or policy; the error says which rule of IAM it breaks.", "users: { kim: {} }";

    MixedFamilies = 343, "ICMP of one family with addresses of the other", "`icmp` is a message of IPv4 and `icmpv6` one of IPv6; neither matches the other's packets (SG-10).", "wrong: icmp/echo from ::/0\nright: icmpv6/echo from ::/0";
    UnknownTransitGateway = 344, "an unknown transit gateway", "No transit gateway of this name in the lab.", "transit_gateways: { hub: [core, app] }\nroutes: { 10.0.0.0/8: tgw hub }";
    UnknownAttachment = 345, "nothing of this name is attached", "A transit gateway's tables name VPCs of its `attachments`, and transit gateways that it is peered with. A VPC has routes to the gateways that it is attached to.", "transit_gateways: { hub: { attachments: [core, app], route_tables: { default: { routes: { 0.0.0.0/0: core } } } } }";

    NoArrow = 401, "a claim without an arrow", "A claim is `SOURCES -> DESTINATIONS PROTO/PORTS: RESULT`, with spaces around the arrow.", "- web-1 -> db-1 tcp/3306: open";
    MissingSpaceAfterColon = 402, "no space after the colon", "Without the space YAML reads one word, and the claim has no result.", "wrong: - web-1 -> db-1 tcp/3306:open\nright: - web-1 -> db-1 tcp/3306: open";
    SpaceAfterColon = 403, "a space inside a name", "`subnet: admin` is a mapping to YAML; the name is `subnet:admin`.", "wrong: - subnet: admin -> web-1 tcp/22: open\nright: - subnet:admin -> web-1 tcp/22: open";
    BooleanResult = 404, "a boolean as a result", "A lone no or yes is a boolean to YAML. The words are allowed and blocked (and open, refused, no route, no public address).", "wrong: - internet -> db-1 any: no\nright: - internet -> db-1 any: blocked";
    UnknownResult = 405, "an unknown result", "Results are allowed, blocked [by …], no route, no public address, open, refused; `via NODE` may follow.", "- db-1 -> internet tcp/443: allowed via nat";
    MissingResult = 406, "a claim without a result", "After the protocol come a colon, a space and the result.", "- web-1 -> db-1 tcp/3306: open";
    MissingTraffic = 407, "a claim without protocol and port", "A claim says which traffic it means; `any` means all of it.", "- internet -> db-1 any: no public address";
    MissingEnd = 408, "a claim without a source or destination", "Both sides of the arrow name at least one end.", "- web-1, web-2 -> db-1 tcp/3306: open";
    ClaimSyntax = 409, "a claim that cannot be read", "A claim is `[only] SOURCES -> DESTINATIONS PROTO[/PORTS] [over ipv4|ipv6] [through NODE] : RESULT [via NODE]`.", "- only web-1, web-2 -> db-1 tcp/3306: open";
    UnknownBlocker = 410, "an unknown stage", "Traffic is blocked by sg, acl, igw, eigw, nat, peering, tgw or source-dest-check; sg and acl may name one: sg:db.", "- bastion -> db-1 tcp/3306: blocked by sg:db";
    BadWaypoint = 411, "not a node on the way", "After through and via comes nat, igw, eigw, peering, tgw, or the name of an instance, gateway, peering or endpoint.", "- db-1 -> internet tcp/443 through fw: allowed";
    BadSelector = 412, "an end that cannot be read", "Ends are instances, outside places, internet, sg:, subnet:, vpc:, tag:KEY=VALUE, addresses and blocks.", "- tag:role=web -> db-1 tcp/3306: open";
    UnknownEnd = 413, "an end that does not exist", "No instance or outside place of this name.", "- web-1 -> db-1 tcp/3306: open";
    RightSyntax = 414, "a claim about rights that cannot be read", "A claim about rights is `(user|role) NAME ACTION[, …] [on TARGET[, …]] [with KEY=VALUE[, …]]: allowed|denied`. A target is a type and a name, an id, or a resource name.", "- user dev ec2:TerminateInstances on instance web: denied\n- role app iam:*: denied";
    UnknownAction = 415, "an unknown action", "Actions of EC2, IAM and STS are called as the operations of the API; `*` and `?` stand for several.", "- user dev ec2:DescribeInstances: allowed";

    ProbeSyntax = 420, "a probe that cannot be read", "A probe is two ends and one packet.", "vpclab check web-1 db-1 tcp/3306\nvpclab check web-1 db-1:3306";
    ArrowInProbe = 421, "an arrow on the command line", "In a shell `web-1 -> db-1` writes a file named db-1 and passes a lone dash.", "wrong: vpclab why web-1 -> db-1 tcp/3306\nright: vpclab why web-1 db-1 tcp/3306";

    Refused = 501, "the cloud refuses", "The file is well formed, but AWS's rules forbid what it asks. The AWS error code in the message says which.", "cidr: 10.0.0.0/8      # InvalidVpc.Range: /16 to /28";
    NotDescribable = 502, "a change that cannot be made", "The file is legal on its own, but the lab that runs cannot become what it says: an operation on the way was refused, for example because something that no file describes still uses a resource. Nothing was changed.", "vpclab down && vpclab up";

    NotJson = 601, "a file that is not JSON", "Output of AWS's tools is one JSON object a file. The error says where the text stops being one: a file that was cut off, edited by hand, or written in another format.", "aws ec2 describe-vpcs --output json > vpcs.json";
    DumpField = 602, "a field that cannot be", "A field of a resource is missing, has another type than AWS gives it, or a value that AWS never writes. The error names the file, the resource and the field.", "wrong: \"CidrBlock\": \"10.0.0.0/99\"\nright: \"CidrBlock\": \"10.0.0.0/16\"";
    DumpContradiction = 603, "two facts that cannot both be true", "One address at two interfaces, a subnet outside its VPC, one resource described twice and differently: the files come from different moments, or were edited. Reading on would mean to choose one.", "describe everything again, all calls one after the other";
    NoDump = 604, "no output of AWS's tools", "Nothing in the folder is the answer of `aws ec2 describe-…`. Which call a file answers is told by its first key, such as `Vpcs`, not by its name.", "aws ec2 describe-vpcs > dump/vpcs.json";
    DumpTooLarge = 605, "a dump that is too large", "A folder may hold 10,000 JSON files of 512 MiB and 24,000,000 values in all, 400,000 rules of security groups and entries of network ACLs (a rule for a prefix list counts as each of its entries), and 200,000 network interfaces; a plan of Terraform 256 MiB and the same otherwise. More than that is refused before memory runs out.", "one folder for each account and region";
    NotAPlan = 606, "no output of terraform show", "A JSON file given with `-f` is what `terraform show -json` writes: of a plan (`planned_values`), or of a state (`values`). The plan file itself is binary, and `terraform plan -json` writes a log.", "terraform plan -out plan.bin && terraform show -json plan.bin > plan.json";
    SnapshotDamaged = 701, "a snapshot that cannot be used", "The file begins as a snapshot and is not whole: it is cut short, bytes of it differ from those that were written, it is larger than 256 MiB, or its tables contradict each other. Nothing of it is used. Its source says everything that it did.", "vpclab snapshot -f SOURCE -w FILE --force";
    SnapshotOfAnotherBuild = 702, "a snapshot that another build of vpclab wrote", "Snapshots hold what the program keeps in memory, so only a build with the same types reads them: they save time, and keep nothing that the source does not say. The first lines of the file (`head -2 FILE`) tell who wrote it, when, and of what.", "vpclab snapshot -f SOURCE -w FILE --force";
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "VL{:04}", self.number())
    }
}

/// A text that is no code of the registry.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not an error code: codes look like VL0312")]
pub struct UnknownCode(pub String);

impl FromStr for Code {
    type Err = UnknownCode;
    /// Takes `VL0312`, `vl312` and `312`.
    fn from_str(text: &str) -> Result<Self, UnknownCode> {
        let digits = text.trim_start_matches(['V', 'v']).trim_start_matches(['L', 'l']);
        let number = digits.parse::<u16>().ok();
        let found = Self::ALL.iter().find(|code| Some(code.number()) == number);
        found.copied().ok_or_else(|| UnknownCode(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_rise_and_every_entry_says_something() {
        for pair in Code::ALL.windows(2) {
            assert!(pair[0].number() < pair[1].number(), "{} before {}", pair[0], pair[1]);
        }
        for code in Code::ALL {
            assert!(!code.title().is_empty() && code.explanation().ends_with('.') && !code.example().is_empty(), "{code}");
            assert_eq!(code.to_string().parse(), Ok(*code));
        }
        assert_eq!("312".parse(), Ok(Code::UnknownSecurityGroup));
        assert!("VL9999".parse::<Code>().is_err());
    }
}
