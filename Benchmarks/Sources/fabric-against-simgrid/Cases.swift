import Cluster

/// xorshift64* (Vigna, arXiv:1402.6246): the same cases on every machine.
struct Draws {
    private var state: UInt64
    init(seed: UInt64) { state = seed &* 0x9E37_79B9_7F4A_7C15 | 1 }
    mutating func next(below limit: Int) -> Int {
        state ^= state >> 12
        state ^= state << 25
        state ^= state >> 27
        return Int((state &* 2_685_821_657_736_338_717) >> 33) % limit
    }
}

extension Place {
    private static func yaml(_ hosts: Int, _ topology: String) -> String {
        "hosts: \(hosts)\nfairness: rtt\ntopology: {\(topology), link: {bandwidth: 100 Gb/s, latency: 1 us}}\n"
    }
    static func star(_ hosts: Int) -> Place {
        Place(name: "star of \(hosts)", yaml: yaml(hosts, "kind: star"), word: "star:\(hosts)", hosts: hosts)
    }
    static func fatTree(_ hosts: Int, leaf: Int, spines: Int) -> Place {
        Place(
            name: "fat tree of \(hosts), \(leaf) a leaf, \(spines) spines",
            yaml: yaml(hosts, "kind: fat_tree, hosts_per_leaf: \(leaf), spines: \(spines), routing: d-mod-k"),
            word: "fat_tree:\(hosts),\(leaf),\(spines)", hosts: hosts)
    }
    /// Odd sizes: in a ring of even size SimGrid goes the other way for one of the pairs that are half a ring apart.
    static func torus(_ dims: [Int]) -> Place {
        let list = dims.map(String.init)
        let hosts = dims.reduce(1, *)
        return Place(
            name: "torus \(list.joined(separator: " x "))", yaml: yaml(hosts, "kind: torus, dims: [\(list.joined(separator: ", "))]"),
            word: "torus:\(list.joined(separator: ","))", hosts: hosts)
    }
    /// One chassis a group: SimGrid leaves out a cable inside groups of more.
    static func dragonfly(groups: Int, routers: Int, hostsPerRouter: Int) -> Place {
        let hosts = groups * routers * hostsPerRouter
        return Place(
            name: "dragonfly of \(groups) groups x \(routers) routers x \(hostsPerRouter)",
            yaml: yaml(hosts, "kind: dragonfly, groups: \(groups), chassis: 1, routers: \(routers), hosts_per_router: \(hostsPerRouter)"),
            word: "dragonfly:\(groups),1,\(routers),\(hostsPerRouter)", hosts: hosts)
    }
    /// A random tree of switches with one host or two each, links of many rates and latencies. There is one way between any two hosts, so that both
    /// programs must find the same.
    static func irregular(seed: UInt64) -> Place {
        var draws = Draws(seed: seed)
        let switches = 12
        let hosts = 20
        var links: [(a: Int, b: Int, gigabits: Int, nanoseconds: Int)] = []
        for index in 1..<switches {
            links.append((hosts + draws.next(below: index), hosts + index, 20 + draws.next(below: 380), 200 + draws.next(below: 4000)))
        }
        for host in 0..<hosts { links.append((host, hosts + host % switches, 25 + draws.next(below: 375), 200 + draws.next(below: 3000))) }
        func name(_ node: Int) -> String { node < hosts ? "h\(node)" : "s\(node - hosts)" }
        let yaml = links.map {
            "    - {between: [\(name($0.a)), \(name($0.b))], bandwidth: \($0.gigabits) Gb/s, latency: \($0.nanoseconds) ns}\n"
        }
        let plain = links.map { "\($0.a) \($0.b) \(Double($0.gigabits) * 1.25e8) \(Double($0.nanoseconds) * 1e-9)\n" }
        return Place(
            name: "irregular tree (seed \(seed))",
            yaml: "hosts: \(hosts)\nfairness: rtt\ntopology:\n  kind: graph\n  switches: \(switches)\n  links:\n\(yaml.joined())",
            word: "graph",
            graph: "\(hosts) \(switches)\n\(plain.joined())", hosts: hosts)
    }
}

/// A set of flows on a place, and the pattern's name.
struct Case {
    var pattern: String
    var place: Place
    var flows: [Flow]

    static func permutations(_ place: Place, each count: Int, seed: UInt64) -> Case {
        var draws = Draws(seed: seed)
        var flows: [Flow] = []
        for _ in 0..<count {
            var order = Array(0..<place.hosts)
            for index in stride(from: order.count - 1, to: 0, by: -1) { order.swapAt(index, draws.next(below: index + 1)) }
            for source in 0..<place.hosts where order[source] != source {
                flows.append(Flow(source: source, destination: order[source], bytes: Double(1_000_000 + draws.next(below: 99_000_000))))
            }
        }
        return Case(pattern: "\(count) permutations at once", place: place, flows: flows)
    }

    static func incast(_ place: Place, seed: UInt64) -> Case {
        var draws = Draws(seed: seed)
        let flows = (1..<place.hosts).map {
            Flow(start: Double(draws.next(below: 300)) * 1e-5, source: $0, destination: 0, bytes: Double(1 + draws.next(below: 30_000_000)))
        }
        return Case(pattern: "incast", place: place, flows: flows)
    }

    static func allToAll(_ place: Place) -> Case {
        var flows: [Flow] = []
        for source in 0..<place.hosts {
            for destination in 0..<place.hosts where destination != source {
                flows.append(Flow(source: source, destination: destination, bytes: 4e6))
            }
        }
        return Case(pattern: "all to all", place: place, flows: flows)
    }

    static func random(_ place: Place, count: Int, seed: UInt64) -> Case {
        var draws = Draws(seed: seed)
        let flows = (0..<count).map { _ in
            let source = draws.next(below: place.hosts)
            return Flow(
                start: Double(draws.next(below: 20)) * 1e-4, source: source,
                destination: (source + 1 + draws.next(below: place.hosts - 1)) % place.hosts,
                bytes: Double(1 + draws.next(below: 40_000_000)))
        }
        return Case(pattern: "random flows", place: place, flows: flows)
    }

    static let all: [Case] = {
        let tree = Place.fatTree(128, leaf: 16, spines: 4)
        let places: [Place] = [
            .star(24), tree, .torus([5, 7]), .torus([3, 5, 5]), .dragonfly(groups: 5, routers: 6, hostsPerRouter: 2), .irregular(seed: 1),
            .irregular(seed: 2),
        ]
        var cases: [Case] = []
        for (index, place) in places.enumerated() {
            let seed = UInt64(100 + index)
            cases.append(.permutations(place, each: 4, seed: seed))
            cases.append(.random(place, count: 300, seed: seed))
            cases.append(.incast(place, seed: seed))
            if place.hosts <= 40 { cases.append(.allToAll(place)) }
        }
        cases.append(.permutations(.fatTree(256, leaf: 16, spines: 16), each: 10, seed: 7))
        return cases.map { one in
            var sorted = one
            sorted.flows.sort { $0.start < $1.start }
            return sorted
        }
    }()
}
