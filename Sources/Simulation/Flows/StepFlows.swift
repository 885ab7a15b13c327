import Cluster
import Engine
import Plan
import Quantities

/// The step of a plan with its communication as flows: what every task moves over which links. Built once for a plan and a state of its links.
struct StepFlows {
    let plan: Plan
    let graph: StepGraph
    let fabric: StepFabric
    /// The tasks that are played: the graph's, or those of a test.
    var tasks: TaskGraph
    var templates: [TaskTemplate]
    /// The templates with the ways that their flows take round dead links: first none of them, then one each of `faults.detours`.
    var variants: [[TaskTemplate]] { [templates] + detours }
    private var detours: [[TaskTemplate]] = []
    /// [tasks] -1 for tasks that move nothing.
    var templateOf: [Int32]
    let faults: LinkFaultPlan

    /// `slow`: factors by which links are slower, by link.
    init(
        plan: Plan, graph: StepGraph, times: TaskTimes, slow: [Int: Double] = [:], faults: LinkFaultPlan = LinkFaultPlan()
    ) throws(Fault) {
        self.plan = plan
        self.graph = graph
        self.faults = faults
        tasks = graph.graph
        let builder = TemplateBuilder(plan: plan, graph: graph, times: times)
        var fabric = try StepFabric(plan: plan, keys: builder.keys, lanes: graph.lanes, disturbed: (slow, faults))
        var templates = builder.templates
        var demands = [Double](repeating: 0, count: builder.keys.count)
        for template in templates {
            for segment in template.segments where segment.pattern >= 0 {
                demands[segment.pattern] = max(demands[segment.pattern], segment.bytes / (segment.share * template.seconds))
            }
        }
        fabric.calibrate(shares: plan.reachedShares, demands: demands)
        for index in templates.indices { Self.settle(&templates[index], fabric) }
        // What a link can be counted on for at any time.
        let least = fabric.links.map { faults.least(of: $0.link) }
        detours = faults.detours.indices.map { index in
            templates.map { Self.turned($0, to: (index + 1) * builder.keys.count, fabric) }
        }
        for index in detours.indices { Self.dropLinksWithoutRivals(&detours[index], least: least) }
        Self.dropLinksWithoutRivals(&templates, least: least)
        self.fabric = fabric
        self.templates = templates
        templateOf = builder.templateOf
    }

    /// Stretches segments whose own flows overload a link, and finds what share of each link they take.
    private static func settle(_ template: inout TaskTemplate, _ fabric: StepFabric) {
        var coupled: [Int: Double] = [:]
        var total = 0.0
        var worst = 1.0
        for index in template.segments.indices {
            let segment = template.segments[index]
            if segment.pattern >= 0 {
                let demand = segment.bytes / (segment.share * template.seconds)
                let stretch = fabric.stretch(of: segment.pattern, demand: demand, coupled: &coupled)
                template.segments[index].share *= stretch
                template.segments[index].rate = demand / stretch * fabric.raw[segment.pattern].flowBytes
                if stretch > worst {
                    worst = stretch
                    let fullest = fabric.loads[segment.pattern].max {
                        ($0.bytes / fabric.links[Int($0.link)].capacity, $1.link) < (
                            $1.bytes / fabric.links[Int($1.link)].capacity, $0.link
                        )
                    }
                    template.overloaded = (segment.pattern, fullest?.link ?? -1)
                }
                template.segments[index].loads = fabric.loads[segment.pattern].map { link, bytes in
                    (link, demand / stretch * bytes / fabric.links[Int(link)].capacity)
                }
            }
            total += template.segments[index].share
        }
        template.stretch = total < 1 + 1e-9 ? 1 : total
        var end = 0.0
        for index in template.segments.indices {
            template.segments[index].share /= total
            end += template.segments[index].share
            template.segments[index].end = end
        }
        template.segments[template.segments.count - 1].end = 1
    }

    /// The same task with its flows on the ways of a detour, whose patterns are numbered from `first`.
    private static func turned(_ template: TaskTemplate, to first: Int, _ fabric: StepFabric) -> TaskTemplate {
        var template = template
        for index in template.segments.indices where template.segments[index].pattern >= 0 {
            let old = template.segments[index].pattern
            let flowBytes = fabric.raw[old].flowBytes
            let demand = flowBytes > 0 ? template.segments[index].rate / flowBytes : 0
            template.segments[index].pattern = first + old
            template.segments[index].loads = fabric.loads[first + old].map { link, bytes in
                (link, demand * bytes / fabric.links[Int(link)].capacity)
            }
        }
        return template
    }

    /// What becomes of the links in a step that begins at `start`.
    func phases(from start: Duration) -> [LinkPhase] {
        faults.phases(from: start).map { phase in
            var room: [Int32: Double] = [:]
            for (link, share) in phase.room where fabric.classOf[link] >= 0 { room[fabric.classOf[link]] = share }
            return LinkPhase(from: phase.from, room: room, variant: phase.detour + 1)
        }
    }

    /// On a link that bears everything that could ever meet there, the closed form is exact: it is dropped from the loads. A stream runs one task at a time.
    private static func dropLinksWithoutRivals(_ templates: inout [TaskTemplate], least: [Double]) {
        var order = Array(templates.indices)
        order.sort { (templates[$0].place, templates[$0].stream, $0) < (templates[$1].place, templates[$1].stream, $1) }
        var sum = [Double](repeating: 0, count: least.count)
        var most = sum
        var touched: [Int32] = []
        for (position, index) in order.enumerated() {
            for segment in templates[index].segments {
                for (link, usage) in segment.loads {
                    if most[Int(link)] == 0 { touched.append(link) }
                    most[Int(link)] = max(most[Int(link)], usage)
                }
            }
            let isLast =
                position + 1 == order.count || templates[order[position + 1]].place != templates[index].place
                || templates[order[position + 1]].stream != templates[index].stream
            guard isLast else { continue }
            for link in touched {
                sum[Int(link)] += most[Int(link)]
                most[Int(link)] = 0
            }
            touched.removeAll(keepingCapacity: true)
        }
        for index in templates.indices {
            var peak: [Int32: Double] = [:]
            for place in templates[index].segments.indices {
                templates[index].segments[place].loads.removeAll { sum[Int($0.link)] <= least[Int($0.link)] + 1e-9 }
                for (link, usage) in templates[index].segments[place].loads { peak[link] = max(peak[link] ?? 0, usage) }
            }
            templates[index].footprint = peak.map { ($0.key, $0.value) }.sorted { $0.link < $1.link }
        }
    }
}

/// What the play of a step's flows found.
struct PlayedFlows {
    /// [tasks] nanoseconds that each took.
    var durations: [Int64]
    /// When the last task ended.
    var makespan: Int64
    /// [patterns] bytes of the buffer moved in the step.
    var moved: [Double]
    /// When patterns moved how much; empty unless asked for.
    var intervals: [FlowInterval] = []
    /// Time that tasks lost at full links.
    var waits: [FlowWait: Double] = [:]
    /// Times that shares were solved.
    var solves = 0
}

/// A pattern moved `rate` bytes of its buffer a second.
struct FlowInterval {
    var pattern: Int32
    var from: Int64
    var to: Int64
    var rate: Double
}

/// Who lost time at which link, and which groups were on it.
struct FlowWait: Hashable {
    var group: TrafficGroup
    /// -1: at its own flows, on the link that they fill alone.
    var link: Int32
    /// Bits by `TrafficGroup`, and `fault`.
    var rivals: UInt8
    /// The link itself was down or slow.
    static let fault: UInt8 = 1 << 7
}

/// From a time of the step on, nanoseconds: share of their capacity that links (classes) have where it is less than all, and the ways that flows take.
struct LinkPhase {
    var from: Int64
    var room: [Int32: Double]
    var variant: Int
}
