import Calibration
import Engine
import Fidelity
import Foundation
import Plan
import Quantities
import Scenario
import Simulation
import Workload

struct Failure: Error { var message: String }

/// The budgets, by name, in the order of the file.
struct Budget {
    var name: String
    var limit: Double
    var unit: String

    static func read() throws -> [Budget] {
        let file = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
            .appending(path: "budgets.csv")
        return try String(contentsOf: file, encoding: .utf8).split(separator: "\n").dropFirst().map { line in
            let cells = line.split(separator: ",", maxSplits: 3).map(String.init)
            guard cells.count == 4, let limit = Double(cells[1]) else { throw Failure(message: "budgets.csv: \(line)") }
            return Budget(name: cells[0], limit: limit, unit: cells[2])
        }
    }
}

/// One hold: the earliest event is taken out and a later one put in. Seconds a hold with `waiting` events in the queue.
func holds(waiting: Int) -> (queue: Double, plain: Double) {
    let count = 1_000_000
    let queue = fastest(of: 5) {
        var draws = Draws()
        var queue = EventQueue<Int32>(capacity: waiting)
        for index in 0..<waiting { queue.schedule(at: Instant(nanoseconds: draws.next(below: 1_000_000)), Int32(index)) }
        for _ in 0..<count {
            guard let event = queue.pop() else { return }
            queue.schedule(at: Instant(nanoseconds: event.time.nanoseconds + draws.next(below: 1_000_000)), event.payload)
        }
        use(queue.count)
    }
    let plain = fastest(of: 5) {
        var draws = Draws()
        var heap = PlainHeap()
        for index in 0..<waiting { heap.push((draws.next(below: 1_000_000), index)) }
        for index in 0..<count {
            guard let event = heap.pop() else { return }
            heap.push((event.time + draws.next(below: 1_000_000), waiting + index))
        }
        use(heap.count)
    }
    return (queue / Double(count), plain / Double(count))
}

/// 1,000 streams of 1,000 tasks; each also waits for the same task of the stream before.
func grid() throws -> TaskGraph {
    var builder = TaskGraphBuilder()
    var draws = Draws()
    let side = 1000
    var above: [TaskID] = []
    for row in 0..<side {
        var current: [TaskID] = []
        for stream in 0..<side {
            let task = builder.addTask(stream: stream, duration: 100 + draws.next(below: 1000))
            if stream > 0, row > 0 { builder.addDependency(from: above[stream - 1], to: task) }
            current.append(task)
        }
        above = current
    }
    return try builder.build()
}

/// A made-up row in the size of published ones.
let measured = """
    id,source,hardware,gpus,gpus_per_node,inter_node,layers,hidden,heads,kv_heads,head_dim,ffn,activation,vocab,sequence,attention,global_batch,\
    micro_batch,tensor,pipeline,virtual,context,data,sequence_parallel,zero,recompute,precision,schedule,framework,step_time_s
    bench,none,a100-sxm-80gb,512,8,ib-hdr-200g-x8,48,8192,64,64,128,32768,gelu,51200,2048,full,1536,4,8,2,1,1,32,false,0,full,fp16,1f1b,megatron-lm,14

    """

func measureAll() throws -> [String: Double] {
    var found: [String: Double] = [:]
    let unit = multiplyAdd()
    let (queue, plain) = holds(waiting: 100_000)
    found["event-queue-hold"] = queue / plain

    let graph = try grid()
    var times = CriticalTimes()
    let path = try fastest { times = try graph.longestPath() }
    var replayed = TaskTimes()
    let replay = try fastest(of: 3) { replayed = try graph.replay() }
    guard replayed.makespan == times.makespan else { throw Failure(message: "replay and longest path disagree") }
    found["longest-path"] = path / 1e6 / unit
    found["replay"] = replay / path

    let file = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "../../../scenarios/llama3-405b-16k.yaml").standardized
    let scenario = try Scenario.load(path: file.path)
    var sharding = Sharding()
    sharding.sequence = 8192
    sharding.tensor = 8
    sharding.sequenceParallel = true
    let model = scenario.job.model
    found["layer-profile-ops"] = Double(model.layer(at: 0, sharding: sharding).ops.count)
    let profile = fastest { for _ in 0..<100 { use(model.layer(at: 0, sharding: sharding).ops.count) } } / 100
    found["layer-profile"] = profile / unit

    let data = try CalibrationData.shipped()
    let plan = try scenario.job.plan(data)
    let planning = try fastest { use(try scenario.job.plan(data).costs.stages.count) }
    found["plan-405b"] = planning / unit
    var settings = SimulationSettings()
    settings.timeline = false
    let simulating = try fastest { use(try simulate(plan, settings: settings).stepTimesS.count) }
    found["simulate-405b"] = simulating / unit

    guard let run = try MeasuredRuns.read(csv: measured, file: "bench.csv").first else { throw Failure(message: "no row") }
    let row = try fastest { use(Int(try PreparedRun(run, data: data).seconds() * 1e9)) }
    found["validate-row"] = row / (planning + simulating)
    found["peak-memory"] = peakMemory() / 1e6
    print(
        "unit \(String(format: "%.3f", unit * 1e9)) ns; plan \(String(format: "%.1f", planning * 1e3)) ms, step \(String(format: "%.1f", simulating * 1e3)) ms, "
            + "row \(String(format: "%.1f", row * 1e3)) ms, longest path \(String(format: "%.1f", 1e-6 / path * 1e6)) M tasks/s, "
            + "hold \(String(format: "%.1f", 1e-6 / queue)) M/s")
    return found
}

let budgets = try Budget.read()
let found = try measureAll()
var exceeded = 0
for budget in budgets {
    guard let value = found[budget.name] else {
        print("\(budget.name): in budgets.csv, but not measured")
        exceeded += 1
        continue
    }
    let holds = value <= budget.limit
    if !holds { exceeded += 1 }
    let name = budget.name.padding(toLength: 20, withPad: " ", startingAt: 0)
    print("\(holds ? "ok  " : "OVER") \(name) \(String(format: "%10.3f", value)) of \(String(format: "%g", budget.limit)) \(budget.unit)")
}
exit(exceeded == 0 ? 0 : 1)
