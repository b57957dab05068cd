// The networks of `benches/speed/nets.rs` in ns-3, for the figures of docs/benchmarks.md: `networks chain|subnets|bulk AMOUNT` prints
// how many packets were delivered (bulk: segments sent) and the seconds on a processor that running the simulation took.
//
// ns-3 is told what makes it fast and leaves the packets alike: no tracing, no queue discs, the same payload, rates and intervals.
// Checksums are off, as ns-3 has them; ours are on. Full-duplex Ethernet is CSMA here, which ns-3 has for switched networks: every flow
// of the chain goes one way, so that nobody waits for a carrier.

#include <time.h>

#include <cstdint>
#include <iostream>
#include <string>

#include "ns3/applications-module.h"
#include "ns3/bridge-module.h"
#include "ns3/core-module.h"
#include "ns3/csma-module.h"
#include "ns3/internet-module.h"
#include "ns3/network-module.h"
#include "ns3/point-to-point-module.h"
#include "ns3/traffic-control-module.h"

using namespace ns3;

namespace {

const uint32_t kPayload = 100;
const uint16_t kPort = 9;

uint64_t g_delivered = 0;

double ProcessorSeconds() {
  timespec spent;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &spent);
  return spent.tv_sec + spent.tv_nsec / 1e9;
}

// Datagrams at a constant rate; what a socket of ns-3 costs and nothing more.
class Source : public Application {
 public:
  void Set(Ipv4Address to, uint64_t packets) {
    m_to = InetSocketAddress(to, kPort);
    m_left = packets;
  }

 private:
  void StartApplication() override {
    m_socket = Socket::CreateSocket(GetNode(), UdpSocketFactory::GetTypeId());
    m_socket->Bind();
    Send();
  }

  void Send() {
    if (m_left-- == 0) return;
    m_socket->SendTo(Create<Packet>(kPayload), 0, m_to);
    Simulator::Schedule(MicroSeconds(20), &Source::Send, this);
  }

  Ptr<Socket> m_socket;
  Address m_to;
  uint64_t m_left = 0;
};

class Sink : public Application {
  void StartApplication() override {
    m_socket = Socket::CreateSocket(GetNode(), UdpSocketFactory::GetTypeId());
    m_socket->Bind(InetSocketAddress(Ipv4Address::GetAny(), kPort));
    m_socket->SetRecvCallback(MakeCallback(&Sink::Receive, this));
  }

  void Receive(Ptr<Socket> socket) {
    while (socket->Recv()) ++g_delivered;
  }

  Ptr<Socket> m_socket;
};

void Install(Ptr<Node> from, Ptr<Node> to, Ipv4Address address, uint64_t packets, uint32_t index) {
  Ptr<Source> source = CreateObject<Source>();
  source->Set(address, packets);
  source->SetStartTime(NanoSeconds(index * 151));
  from->AddApplication(source);
  to->AddApplication(CreateObject<Sink>());
}

CsmaHelper Ethernet(const std::string& rate) {
  CsmaHelper csma;
  csma.SetChannelAttribute("DataRate", StringValue(rate));
  csma.SetChannelAttribute("Delay", TimeValue(NanoSeconds(50)));
  csma.SetQueue("ns3::DropTailQueue", "MaxSize", StringValue("1000p"));
  return csma;
}

Ptr<NetDevice> Join(CsmaHelper& csma, Ptr<Node> one, Ptr<Node> other, NetDeviceContainer& ports) {
  NetDeviceContainer link = csma.Install(NodeContainer(one, other));
  ports.Add(link.Get(1));
  return link.Get(0);
}

InternetStackHelper Stack() {
  InternetStackHelper stack;
  stack.SetIpv6StackInstall(false);
  return stack;
}

Ipv4InterfaceContainer Assign(Ptr<NetDevice> device, const std::string& address, const char* mask) {
  Ptr<Ipv4> ipv4 = device->GetNode()->GetObject<Ipv4>();
  uint32_t interface = ipv4->AddInterface(device);
  ipv4->AddAddress(interface, Ipv4InterfaceAddress(Ipv4Address(address.c_str()), Ipv4Mask(mask)));
  ipv4->SetUp(interface);
  Ipv4InterfaceContainer container;
  container.Add(ipv4, interface);
  return container;
}

void DefaultRoute(Ptr<Node> node, const std::string& via) {
  Ipv4StaticRoutingHelper().GetStaticRouting(node->GetObject<Ipv4>())->SetDefaultRoute(Ipv4Address(via.c_str()), 1);
}

void Chain(uint64_t packets) {
  const uint32_t kSwitches = 4, kPairs = 10;
  NodeContainer switches, hosts;
  switches.Create(kSwitches);
  hosts.Create(2 * kPairs);
  Stack().Install(hosts);
  CsmaHelper csma = Ethernet("1Gbps");
  NetDeviceContainer ports[kSwitches];
  for (uint32_t index = 0; index + 1 < kSwitches; ++index) {
    ports[index].Add(Join(csma, switches.Get(index), switches.Get(index + 1), ports[index + 1]));
  }
  for (uint32_t index = 0; index < 2 * kPairs; ++index) {
    uint32_t at = index % 2 == 0 ? 0 : kSwitches - 1;
    Ptr<NetDevice> device = Join(csma, hosts.Get(index), switches.Get(at), ports[at]);
    Assign(device, "10.0.0." + std::to_string(index + 1), "255.255.255.0");
  }
  for (uint32_t index = 0; index < kSwitches; ++index) BridgeHelper().Install(switches.Get(index), ports[index]);
  for (uint32_t pair = 0; pair < kPairs; ++pair) {
    std::string to = "10.0.0." + std::to_string(2 * pair + 2);
    Install(hosts.Get(2 * pair), hosts.Get(2 * pair + 1), Ipv4Address(to.c_str()), packets, pair);
  }
}

void Subnets(uint64_t packets) {
  NodeContainer hosts, switches;
  Ptr<Node> router = CreateObject<Node>();
  hosts.Create(100);
  switches.Create(10);
  Stack().Install(hosts);
  Stack().Install(router);
  CsmaHelper csma = Ethernet("1Gbps"), fast = Ethernet("10Gbps");
  for (uint32_t subnet = 0; subnet < 10; ++subnet) {
    std::string net = "10.0." + std::to_string(subnet) + ".";
    NetDeviceContainer ports;
    Assign(Join(fast, router, switches.Get(subnet), ports), net + "1", "255.255.255.0");
    for (uint32_t number = 0; number < 10; ++number) {
      Ptr<Node> host = hosts.Get(subnet * 10 + number);
      Assign(Join(csma, host, switches.Get(subnet), ports), net + std::to_string(10 + number), "255.255.255.0");
      DefaultRoute(host, net + "1");
    }
    BridgeHelper().Install(switches.Get(subnet), ports);
  }
  for (uint32_t index = 0; index < 100; ++index) {
    uint32_t to = (index + 37) % 100;
    std::string address = "10.0." + std::to_string(to / 10) + "." + std::to_string(10 + to % 10);
    Install(hosts.Get(index), hosts.Get(to), Ipv4Address(address.c_str()), packets, index);
  }
}

uint64_t g_segments = 0;

void CountSegment(Ptr<const Packet>, const TcpHeader&, Ptr<const TcpSocketBase>) { ++g_segments; }


void CountAtSender(Ptr<BulkSendApplication> sender) {
  sender->GetSocket()->TraceConnectWithoutContext("Tx", MakeCallback(&CountSegment));
}

void Bulk(uint64_t bytes) {
  Config::SetDefault("ns3::TcpSocket::SegmentSize", UintegerValue(1448));
  Config::SetDefault("ns3::TcpSocket::SndBufSize", UintegerValue(1 << 20));
  Config::SetDefault("ns3::TcpSocket::RcvBufSize", UintegerValue(1 << 20));
  Config::SetDefault("ns3::TcpL4Protocol::SocketType", TypeIdValue(TcpNewReno::GetTypeId()));
  NodeContainer nodes;
  nodes.Create(3);
  Stack().Install(nodes);
  PointToPointHelper link;
  link.SetDeviceAttribute("DataRate", StringValue("1Gbps"));
  link.SetChannelAttribute("Delay", TimeValue(MicroSeconds(100)));
  link.SetQueue("ns3::DropTailQueue", "MaxSize", StringValue("1000p"));
  NetDeviceContainer left = link.Install(nodes.Get(0), nodes.Get(1)), right = link.Install(nodes.Get(1), nodes.Get(2));
  Assign(left.Get(0), "10.0.0.2", "255.255.255.0");
  Assign(left.Get(1), "10.0.0.1", "255.255.255.0");
  Assign(right.Get(0), "10.0.1.1", "255.255.255.0");
  Assign(right.Get(1), "10.0.1.2", "255.255.255.0");
  DefaultRoute(nodes.Get(0), "10.0.0.1");
  DefaultRoute(nodes.Get(2), "10.0.1.1");
  BulkSendHelper sender("ns3::TcpSocketFactory", InetSocketAddress("10.0.1.2", 5001));
  sender.SetAttribute("MaxBytes", UintegerValue(bytes));
  sender.SetAttribute("SendSize", UintegerValue(1 << 16));
  ApplicationContainer sending = sender.Install(nodes.Get(0));
  PacketSinkHelper receiver("ns3::TcpSocketFactory", InetSocketAddress(Ipv4Address::GetAny(), 5001));
  ApplicationContainer receiving = receiver.Install(nodes.Get(2));
  receiving.Get(0)->TraceConnectWithoutContext("Rx", MakeCallback(+[](Ptr<const Packet>, const Address&) { ++g_delivered; }));
  Simulator::Schedule(NanoSeconds(1), &CountAtSender, DynamicCast<BulkSendApplication>(sending.Get(0)));
  // The receiver's segments: one acknowledges two, as ours do. Counted at its device.
  right.Get(1)->TraceConnectWithoutContext("MacTx", MakeCallback(+[](Ptr<const Packet>) { ++g_segments; }));
}

}  // namespace

int main(int count, char** arguments) {
  if (count != 3) {
    std::cerr << "networks chain|subnets|bulk AMOUNT\n";
    return 2;
  }
  std::string what = arguments[1];
  uint64_t amount = std::stoull(arguments[2]);
  // Otherwise a question is asked up to 10 ms later, and what is sent meanwhile is lost.
  Config::SetDefault("ns3::ArpL3Protocol::RequestJitter", StringValue("ns3::ConstantRandomVariable[Constant=0.0]"));
  if (what == "chain") {
    Chain(amount);
  } else if (what == "subnets") {
    Subnets(amount);
  } else if (what == "bulk") {
    Bulk(amount);
  } else {
    return 2;
  }
  double before = ProcessorSeconds();
  Simulator::Run();
  double seconds = ProcessorSeconds() - before;
  std::cout << (what == "bulk" ? g_segments : g_delivered) << ' ' << seconds << '\n';
  Simulator::Destroy();
}
