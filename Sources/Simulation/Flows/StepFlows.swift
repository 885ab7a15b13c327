import Cluster
import Engine
import Plan

/// The step of a plan with its communication as flows: what every task moves over which links. Built once for a plan and a state of its links.
struct StepFlows {
    let plan: Plan
    let graph: StepGraph
    let fabric: StepFabric
    /// The tasks that are played: the graph's, or those of a test.
    var tasks: TaskGraph
    var templates: [TaskTemplate]
    /// [tasks] -1 for tasks that move nothing.
    var templateOf: [Int32]

    /// `slow`: factors by which links are slower, by link.
    init(plan: Plan, graph: StepGraph, times: TaskTimes, slow: [Int: Double] = [:]) throws(SimulationError) {
        self.plan = plan
        self.graph = graph
        tasks = graph.graph
        let builder = TemplateBuilder(plan: plan, graph: graph, times: times)
        var fabric = try StepFabric(plan: plan, keys: builder.keys, lanes: graph.lanes, slow: slow)
        var templates = builder.templates
        var demands = [Double](repeating: 0, count: builder.keys.count)
        for template in templates {
            for segment in template.segments where segment.pattern >= 0 {
                demands[segment.pattern] = max(demands[segment.pattern], segment.bytes / (segment.share * template.seconds))
            }
        }
        fabric.calibrate(shares: plan.reachedShares, demands: demands)
        for index in templates.indices { Self.settle(&templates[index], fabric) }
        Self.dropLinksWithoutRivals(&templates, links: fabric.links.count)
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

    /// On a link that bears everything that could ever meet there, the closed form is exact: it is dropped from the loads. A stream runs one task at a time.
    private static func dropLinksWithoutRivals(_ templates: inout [TaskTemplate], links: Int) {
        var order = Array(templates.indices)
        order.sort { (templates[$0].place, templates[$0].stream, $0) < (templates[$1].place, templates[$1].stream, $1) }
        var sum = [Double](repeating: 0, count: links)
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
                templates[index].segments[place].loads.removeAll { sum[Int($0.link)] <= 1 + 1e-9 }
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
    /// Bits by `TrafficGroup`.
    var rivals: UInt8
}
