// Runs flows on a network with SimGrid (S4U, 3.32) and prints when each finished.
//   driver flows TOPOLOGY FILE   lines of FILE: start_s source destination bytes, sorted by start
//   driver ring  TOPOLOGY BYTES  ring all-reduce of BYTES over all hosts
// TOPOLOGY: star:N | fat_tree:HOSTS,PER_LEAF,SPINES | torus:D0,D1,... | dragonfly:GROUPS,CHASSIS,ROUTERS,PER_ROUTER | graph:FILE
// Lines of a graph's file: "HOSTS SWITCHES", then "NODE NODE bytes_per_s latency_s" with switches numbered after the hosts.
// All other links have 100 Gb/s and 1 us. Output: "finish INDEX SECONDS" of every flow, then "run_s SECONDS end_s SECONDS peak_bytes BYTES".
#include <simgrid/s4u.hpp>
#include <sys/resource.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <map>
#include <sstream>
#include <string>
#include <vector>

namespace sg4 = simgrid::s4u;
static const double bandwidth = 12.5e9, latency = 1e-6;
static const auto duplex = sg4::Link::SharingPolicy::SPLITDUPLEX;

struct Flow {
  double start;
  unsigned source, destination;
  double bytes;
};

static std::vector<unsigned long> numbers(const std::string& text) {
  std::vector<unsigned long> result;
  std::stringstream stream(text);
  for (std::string part; std::getline(stream, part, ',');) result.push_back(std::stoul(part));
  return result;
}

static sg4::ClusterCallbacks plainHosts() {
  return sg4::ClusterCallbacks([](sg4::NetZone* zone, const std::vector<unsigned long>&, unsigned long id) {
    auto* host = zone->create_host("h" + std::to_string(id), 1e9);
    return std::make_pair(host->get_netpoint(), (simgrid::kernel::routing::NetPoint*)nullptr);
  });
}

static unsigned graph(const std::string& file) {
  std::ifstream in(file);
  unsigned hosts, switches;
  in >> hosts >> switches;
  auto* zone = sg4::create_floyd_zone("graph");
  std::vector<simgrid::kernel::routing::NetPoint*> nodes;
  for (unsigned i = 0; i < hosts; i++) nodes.push_back(zone->create_host("h" + std::to_string(i), 1e9)->get_netpoint());
  for (unsigned i = 0; i < switches; i++) nodes.push_back(zone->create_router("s" + std::to_string(i)));
  unsigned a, b, count = 0;
  for (double rate, delay; in >> a >> b >> rate >> delay;) {
    auto* link = zone->create_split_duplex_link("l" + std::to_string(count++), rate)->set_latency(delay)->seal();
    zone->add_route(nodes[a], nodes[b], nullptr, nullptr, {{link, sg4::LinkInRoute::Direction::UP}}, true);
  }
  zone->seal();
  return hosts;
}

static unsigned build(const std::string& text) {
  const auto colon = text.find(':');
  const std::string kind = text.substr(0, colon), rest = text.substr(colon + 1);
  if (kind == "graph") return graph(rest);
  const auto n = numbers(rest);
  if (kind == "star") {
    auto* zone = sg4::create_star_zone("star");
    for (unsigned i = 0; i < n[0]; i++) {
      auto* host = zone->create_host("h" + std::to_string(i), 1e9);
      auto* link = zone->create_split_duplex_link("l" + std::to_string(i), bandwidth)->set_latency(latency)->seal();
      zone->add_route(host->get_netpoint(), nullptr, nullptr, nullptr, {{link, sg4::LinkInRoute::Direction::UP}}, true);
    }
    zone->seal();
    return n[0];
  }
  if (kind == "fat_tree") {
    sg4::FatTreeParams shape(2, {(unsigned)n[1], (unsigned)(n[0] / n[1])}, {1, (unsigned)n[2]}, {1, 1});
    sg4::create_fatTree_zone("tree", nullptr, shape, plainHosts(), bandwidth, latency, duplex)->seal();
    return n[0];
  }
  unsigned hosts = 1;
  for (auto size : n) hosts *= size;
  if (kind == "torus") {
    sg4::create_torus_zone("torus", nullptr, n, plainHosts(), bandwidth, latency, duplex)->seal();
  } else {
    sg4::DragonflyParams shape({(unsigned)n[0], 1}, {(unsigned)n[1], 1}, {(unsigned)n[2], 1}, (unsigned)n[3]);
    sg4::create_dragonfly_zone("dragonfly", nullptr, shape, plainHosts(), bandwidth, latency, duplex)->seal();
  }
  return hosts;
}

int main(int argc, char** argv) {
  sg4::Engine engine(&argc, argv);
  const std::string mode = argv[1];
  const unsigned count = build(argv[2]);
  std::vector<sg4::Host*> hosts;
  for (unsigned i = 0; i < count; i++) hosts.push_back(engine.host_by_name("h" + std::to_string(i)));
  std::vector<Flow> flows;
  std::vector<double> finish;
  if (mode == "flows") {
    std::ifstream in(argv[3]);
    for (Flow f; in >> f.start >> f.source >> f.destination >> f.bytes;) flows.push_back(f);
    finish.resize(flows.size());
    // One sender for the flows of a host that start together.
    std::map<std::pair<double, unsigned>, std::vector<unsigned>> senders;
    for (unsigned i = 0; i < flows.size(); i++) senders[{flows[i].start, flows[i].source}].push_back(i);
    for (const auto& [key, list] : senders)
      sg4::Actor::create("sender", hosts[key.second], [start = key.first, list, &hosts, &flows, &finish]() {
        if (start > 0) sg4::this_actor::sleep_until(start);
        std::vector<sg4::CommPtr> sent;
        for (unsigned i : list)
          sent.push_back(sg4::Comm::sendto_async(hosts[flows[i].source], hosts[flows[i].destination], flows[i].bytes));
        for (unsigned k = 0; k < list.size(); k++) {
          sent[k]->wait();
          finish[list[k]] = sent[k]->get_finish_time();
        }
      });
  } else {
    const double chunk = atof(argv[3]) / count;
    static int nothing;
    for (unsigned i = 0; i < count; i++) {
      auto *next = sg4::Mailbox::by_name("m" + std::to_string((i + 1) % count)), *own = sg4::Mailbox::by_name("m" + std::to_string(i));
      sg4::Actor::create("rank", hosts[i], [=]() {
        for (unsigned step = 0; step < 2 * (count - 1); step++) {
          int* got;
          auto sent = next->put_async(&nothing, chunk);
          auto received = own->get_async<int>(&got);
          sent->wait();
          received->wait();
        }
      });
    }
  }
  const auto before = std::chrono::steady_clock::now();
  engine.run();
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - before).count();
  for (unsigned i = 0; i < finish.size(); i++) printf("finish %u %.17g\n", i, finish[i]);
  rusage usage;
  getrusage(RUSAGE_SELF, &usage);
  printf("run_s %.9f end_s %.17g peak_bytes %.0f\n", seconds, sg4::Engine::get_clock(), usage.ru_maxrss * 1024.0);
  return 0;
}
