import Engine
import Foundation
import Testing

@testable import Cluster

let testLink = LinkProperties(bandwidth: 12.5e9, latency: 1e-6)

/// A network and flows drawn at random; every kind of topology, sharing and flow occurs.
struct RandomTraffic {
    let network: Network
    let flows: [Flow]

    init(seed: UInt64) {
        var random = RandomStream(seed: seed, purpose: "fabric test")
        func below(_ n: Int) -> Int { Int(random.next() % UInt64(n)) }
        let link = LinkProperties(bandwidth: [12.5e9, 1e9, 3e10][below(3)], latency: [1e-6, 5e-7, 2e-5][below(3)])
        let duplex: Duplex = below(4) == 0 ? .half : .full
        let shape: any NetworkShape =
            switch below(7) {
            case 0: StarShape(hosts: 2 + below(10), link: link, duplex: duplex)
            case 1:
                LeafSpineShape(
                    hosts: 4 + below(20), hostsPerLeaf: 1 + below(5), spines: 1 + below(3), linksPerSpine: 1 + below(2), link: link,
                    uplink: link,
                    duplex: duplex)
            case 2:
                ThreeLevelShape(
                    .init(
                        hosts: 6 + below(20), hostsPerLeaf: 1 + below(3), leavesPerPod: 1 + below(3), aggregations: 1 + below(3),
                        coresPerGroup: 1 + below(2)),
                    link: link, uplink: link, duplex: duplex)
            case 3: TorusShape(sizes: [[4, 3], [2, 2, 3], [5], [4, 4]][below(4)], link: link, duplex: duplex)
            case 4:
                DragonflyShape(
                    .init(
                        groups: 1 + below(3), chassis: 1 + below(2), routers: 3, hostsPerRouter: 1 + below(2), globalLinks: 1 + below(2),
                        chassisLinks: 1, routerLinks: 1 + below(2)),
                    link: link, duplex: duplex)
            case 5:
                RailShape(
                    .init(gpus: 6 + below(12), gpusPerNode: 1 + below(4), nodesPerGroup: 1 + below(3), spines: 1 + below(2)), link: link,
                    nvlink: LinkProperties(bandwidth: 2e11, latency: 3e-7), duplex: duplex)
            default: Self.randomGraph(&random)
            }
        let fairness: Fairness = below(3) == 0 ? .rtt : .equal
        let routing: Routing = below(3) == 0 ? .ecmp(seed: seed) : .fixed
        network = Network(shape: shape, routing: routing, fairness: fairness)
        // Few different starts and sizes, so that much happens at one instant.
        let fancy = below(3) == 0
        let hosts = network.hostCount
        flows = (0..<1 + below(30)).map { index in
            var flow = Flow(
                start: [0, 0, 1e-3, 2.5e-4][below(4)], source: below(hosts), destination: below(hosts),
                bytes: [1e6, 1e6, 3e7, Double(below(1 << 24))][below(4)])
            if below(20) == 0 { flow.bytes = 0 }
            flow.key = UInt64(index)
            if fairness == .rtt, flow.source == flow.destination { flow.destination = (flow.source + 1) % hosts }
            if fancy, below(3) == 0 { flow.weight = [0.5, 2, 3.7][below(3)] }
            if fancy, below(3) == 0 { flow.cap = [1e8, 2e9, 5e9][below(3)] }
            return flow
        }
    }

    private static func randomGraph(_ random: inout RandomStream) -> any NetworkShape {
        func below(_ n: Int) -> Int { Int(random.next() % UInt64(n)) }
        let hosts = 3 + below(6)
        let switches = 2 + below(4)
        var cables: [GraphShape.Cable] = []
        func cable(_ a: Int, _ b: Int) {
            let properties = LinkProperties(bandwidth: [1e9, 1.25e10, 5e9][below(3)], latency: [1e-6, 3e-6][below(2)])
            cables.append(.init(a: a, b: b, properties: properties, duplex: below(4) == 0 ? .half : .full))
        }
        for host in 0..<hosts { cable(host, hosts + below(switches)) }
        for one in 1..<switches { cable(hosts + one, hosts + below(one)) }
        for _ in 0..<below(5) {
            let (a, b) = (below(hosts + switches), below(hosts + switches))
            if a != b { cable(a, b) }
        }
        guard let shape = try? GraphShape(hosts: hosts, switches: switches, cables: cables, routes: []) else {
            return StarShape(hosts: hosts, link: testLink, duplex: .full)
        }
        return shape
    }
}

@Suite struct FabricSharingTests {
    /// ORRERY_FABRIC_CASES=10000 in release for the long run.
    static let cases = ProcessInfo.processInfo.environment["ORRERY_FABRIC_CASES"].flatMap(Int.init) ?? 150

    @Test func everyFinishTimeAgreesWithTheOracleAndEverySolutionIsFair() throws {
        var worst = 0.0
        for seed in 0..<UInt64(Self.cases) {
            let traffic = RandomTraffic(seed: seed)
            let expected = FabricOracle(network: traffic.network).finishTimes(traffic.flows)
            let result = try traffic.network.simulate(traffic.flows, verifying: true)
            for (flow, time) in expected.enumerated() {
                let error = abs(result.finish[flow] - time) / max(time, 1e-9)
                worst = max(worst, error)
                #expect(error < 1e-9, "seed \(seed), flow \(flow): \(result.finish[flow]) instead of \(time) s")
            }
        }
        print("fabric against the oracle: \(Self.cases) cases, worst relative difference \(worst)")
    }

    @Test func theOrderOfTheFlowsDoesNotMatter() throws {
        for seed in UInt64(0)..<60 {
            let traffic = RandomTraffic(seed: seed)
            var random = RandomStream(seed: seed, purpose: "shuffle")
            let order = traffic.flows.indices.shuffled(using: &random)
            let result = try traffic.network.simulate(traffic.flows)
            let shuffled = try traffic.network.simulate(order.map { traffic.flows[$0] })
            for (place, flow) in order.enumerated() { #expect(shuffled.finish[place] == result.finish[flow], "seed \(seed)") }
        }
    }

    /// Fat tree of the specification: 32 hosts, 8 a leaf, 4 spines, 100 Gb/s, 1 us. A: 0 -> 9, 30 MB; B: 10 -> 9, 20 MB; C: 0 -> 10, 10 MB at 1 ms.
    /// rtt: A and B share 9's down cable 1/4 : 1/2; C takes what A leaves on 0's up cable: C 2.204, B 2.401, A 4.002 ms.
    /// equal: C 2.604, B 3.200, A 4.002 ms.
    @Test(arguments: [(Fairness.rtt, [4.002e-3, 2.401e-3, 2.204e-3]), (.equal, [4.002e-3, 3.200e-3, 2.604e-3])])
    func workedExample(_ fairness: Fairness, _ expected: [Double]) throws {
        let shape = LeafSpineShape(hosts: 32, hostsPerLeaf: 8, spines: 4, linksPerSpine: 1, link: testLink, uplink: testLink, duplex: .full)
        let network = Network(shape: shape, fairness: fairness)
        let flows = [
            Flow(source: 0, destination: 9, bytes: 30e6), Flow(source: 10, destination: 9, bytes: 20e6),
            Flow(start: 1e-3, source: 0, destination: 10, bytes: 10e6),
        ]
        let result = try network.simulate(flows, verifying: true)
        for (time, wanted) in zip(result.finish, expected) { #expect(abs(time - wanted) < 1e-12) }
        #expect(result.end == result.finish.max())
        #expect(result.bottleneck.map { $0.map(network.name) } == ["leaf 1 to host 9", "leaf 1 to host 9", "host 0 to leaf 0"])
        // host 9 receives 50 MB in 4.002 ms at 12.5 GB/s: 0.9995
        let busiest = result.utilization.max() ?? 0
        #expect(abs(busiest - 50e6 / (12.5e9 * 4.002e-3)) < 1e-9)
    }

    @Test func weightsAndCapsShareALink() throws {
        // One 10 GB/s link: weights 1 and 3, and a third flow capped at 2 GB/s: 2 + 8/4 + 3*8/4 = 2 + 2 + 6 GB/s.
        let network = Network(shape: StarShape(hosts: 4, link: LinkProperties(bandwidth: 10e9, latency: 0), duplex: .full))
        let flows = [
            Flow(source: 1, destination: 0, bytes: 2e9), Flow(source: 2, destination: 0, bytes: 6e9, weight: 3),
            Flow(source: 3, destination: 0, bytes: 2e9, weight: 9, cap: 2e9),
        ]
        let result = try network.simulate(flows, verifying: true)
        for time in result.finish { #expect(abs(time - 1) < 1e-12) }
        #expect(result.bottleneck[2] == nil)  // its own cap, no link
        #expect(result.solves == 1 + 1)
    }

    @Test func aSlowLinkAndADeadLink() throws {
        // 10 GB through 10 GB/s; at 0.5 s the link falls to a quarter: 5 GB left at 2.5 GB/s -> 2.5 s.
        let network = Network(shape: StarShape(hosts: 2, link: LinkProperties(bandwidth: 10e9, latency: 0), duplex: .full))
        let flow = Flow(source: 0, destination: 1, bytes: 10e9)
        let slow = try network.simulate([flow], faults: [LinkFault(time: 0.5, link: 0, factor: 0.25)], verifying: true)
        #expect(abs(slow.end - 2.5) < 1e-12)
        // dead from 0.5 to 3 s: 3.5 s
        let flapping = try network.simulate(
            [flow], faults: [LinkFault(time: 0.5, link: 0, factor: 0), LinkFault(time: 3, link: 0, factor: 1)], verifying: true)
        #expect(abs(flapping.end - 3.5) < 1e-12)
        #expect(throws: FabricError.self) { try network.simulate([flow], faults: [LinkFault(time: 0.5, link: 0, factor: 0)]) }
    }

    @Test func mistakesInFlowsAreErrors() {
        let network = Network(shape: StarShape(hosts: 4, link: testLink, duplex: .full))
        let wrong = [
            Flow(source: 4, destination: 0, bytes: 1), Flow(source: 0, destination: -1, bytes: 1),
            Flow(source: 0, destination: 1, bytes: -1),
            Flow(source: 0, destination: 1, bytes: .nan), Flow(start: .infinity, source: 0, destination: 1, bytes: 1),
            Flow(source: 0, destination: 1, bytes: 1, weight: 0), Flow(source: 0, destination: 1, bytes: 1, cap: -1),
        ]
        for flow in wrong { #expect(throws: FabricError.self) { try network.simulate([flow]) } }
        let still = Network(shape: StarShape(hosts: 2, link: LinkProperties(bandwidth: 1, latency: 0), duplex: .full), fairness: .rtt)
        #expect(throws: FabricError.self) { try still.simulate([Flow(source: 0, destination: 1, bytes: 1)]) }
    }
}

@Suite struct StartQueueTests {
    /// As many classes of latency as there are lanes, and many more: times ascending with each class a little further on, as flows are issued.
    @Test(arguments: [1, 3, 8, 40])
    func comesOutInTheOrderOfTime(_ classes: Int) {
        var random = RandomStream(seed: 5, purpose: "starts")
        var queue = StartQueue()
        var waiting: [Double] = []
        var now = 0.0
        for step in 0..<20000 {
            if waiting.isEmpty || random.next() % 2 == 0 {
                let time = now + Double(random.next() % UInt64(classes))
                queue.push(at: time, Int32(step))
                waiting.append(time)
            } else {
                let next = queue.nextTime
                let popped = queue.pop()
                let first = waiting.min() ?? -1
                #expect(next == first && popped?.time == first)
                waiting.remove(at: waiting.firstIndex(of: first) ?? 0)
                now = first + (random.next() % 4 == 0 ? 0.5 : 0)
            }
        }
        while let (time, _) = queue.pop() {
            #expect(time == waiting.min())
            waiting.remove(at: waiting.firstIndex(of: time) ?? 0)
        }
        #expect(waiting.isEmpty && queue.nextTime == .infinity)
    }

    /// Every start comes out once, also from a lane that is never empty and is moved to its front now and then.
    @Test func aLaneThatIsNeverEmpty() {
        var queue = StartQueue()
        for slot in 0..<10 { queue.push(at: Double(slot), Int32(slot)) }
        for slot in 10..<30000 {
            let next = queue.pop()
            #expect(next?.slot == Int32(slot - 10))
            queue.push(at: Double(slot), Int32(slot))
        }
    }
}

@Suite struct LoneFlowTests {
    /// 10 GB/s. A alone from 0 to 1 s: 10 of 25 GB. Then B on A's first link only, 5 GB: 5 GB/s each until 2 s. A is on the lists still: 10 GB at 10 GB/s,
    /// done at 3 s.
    @Test func anotherComesAndGoes() throws {
        let network = Network(shape: StarShape(hosts: 3, link: LinkProperties(bandwidth: 10e9, latency: 0), duplex: .full))
        let flows = [Flow(source: 0, destination: 1, bytes: 25e9), Flow(start: 1, source: 0, destination: 2, bytes: 5e9)]
        let result = try network.simulate(flows, verifying: true)
        for (time, wanted) in zip(result.finish, [3.0, 2.0]) { #expect(abs(time - wanted) < 1e-12) }
    }

    /// The same A, whose second link falls to a tenth at 1 s: 15 GB left at 1 GB/s are done at 16 s. Of the first 2 s 10 + 1 GB: 55 %.
    @Test func itsLinkChanges() throws {
        var network = Network(shape: StarShape(hosts: 3, link: LinkProperties(bandwidth: 10e9, latency: 0), duplex: .full))
        let flow = Flow(source: 0, destination: 1, bytes: 25e9)
        let down = try #require(network.route(from: 0, to: 1).last)
        network.faults = [LinkFault(time: 1, link: down, factor: 0.1)]
        #expect(abs(try network.simulate([flow], verifying: true).end - 16) < 1e-12)
        let load = try network.load(of: [flow], on: [down], until: 16, spans: 8)
        #expect(abs(load.utilization[0][0] - 0.55) < 1e-12)
        #expect(abs(load.utilization[0][1] - 0.1) < 1e-12)
    }

    /// A weight, a cap, and two flows that meet on half-duplex links.
    @Test func weightsCapsAndHalfDuplex() throws {
        let network = Network(shape: StarShape(hosts: 4, link: LinkProperties(bandwidth: 10e9, latency: 0), duplex: .half))
        // Alone, capped at 4 GB/s: 8 GB in 2 s. Between hosts 2 and 3 both directions share each link, 5 GB/s each: 10 GB in 2 s.
        let flows = [
            Flow(source: 0, destination: 1, bytes: 8e9, weight: 3, cap: 4e9), Flow(source: 2, destination: 3, bytes: 10e9, weight: 0.5),
            Flow(source: 3, destination: 2, bytes: 10e9, weight: 0.5),
        ]
        for time in try network.simulate(flows, verifying: true).finish { #expect(abs(time - 2) < 1e-12) }
    }

    /// A new flow whose link became tracked while shares were solved, after it had joined: case 4210 of the long run.
    @Test func anArrivalOnALinkThatIsTrackedMeanwhile() throws {
        let traffic = RandomTraffic(seed: 4210)
        let expected = FabricOracle(network: traffic.network).finishTimes(traffic.flows)
        let finish = try traffic.network.simulate(traffic.flows, verifying: true).finish
        for (time, wanted) in zip(finish, expected) { #expect(abs(time - wanted) <= 1e-9 * wanted) }
    }
}

@Suite struct MinimumTreeTests {
    @Test func findsTheSameAsAnArray() {
        var random = RandomStream(seed: 4, purpose: "tree")
        var tree = MinimumTree(count: 13)
        var plain = [Double](repeating: .infinity, count: 13)
        for step in 0..<3000 {
            if step == 1500 {
                tree.grow(to: 40)
                plain += [Double](repeating: .infinity, count: 27)
            }
            let index = Int(random.next() % UInt64(plain.count))
            let value = random.uniform() < 0.3 ? .infinity : Double(random.next() % 50)
            tree.set(index, to: value)
            plain[index] = value
            let minimum = tree.minimum
            #expect(minimum == plain.min())
            let limit = Double(random.next() % 60)
            var column = Column<Int32>()
            tree.collect(atMost: limit, into: &column)
            let found = (0..<column.count).map { Int(column[$0]) }
            #expect(found == plain.indices.filter { plain[$0] <= limit })
        }
    }
}
