import Cluster
import Engine
import Quantities

/// Plays a step's tasks and its flows together, by events. Computation runs at its own pace; a collective or a transfer goes at the speed that max-min fair
/// sharing gives it, and the tasks behind it wait.
///
/// A task whose links bear everything that is under way at the moment runs in closed form, in one piece. When a task comes that could overload a link of it,
/// it drops into pieces (computation and collectives, layer by layer), at the very point that it has come to, and only its collectives share the link. At the
/// end of a piece without contention it goes on in closed form. Both forms move the same bytes in the same time where nothing contends, so the
/// answer has no jump.
struct FlowPlayer: ~Copyable {
    private let flows: StepFlows
    private let graph: TaskGraph
    /// The templates of the present state of the links.
    private var templates: [TaskTemplate]
    private let phases: [LinkPhase]
    private var nextPhase = 0
    private var isUnderWay: [Bool]
    private var unfinished: Int
    // Dependents of each task, in compressed rows.
    private var dependentRows: [Int32] = []
    private var dependents: [Int32] = []
    private var openCount: [Int32]
    private var next: [Int32]
    private var isAtHead: [Bool]

    /// A task under way. Positions are nanoseconds of its time alone on the fabric.
    private struct Run {
        var start: Int64 = 0
        var length: Int64 = 0
        var position = 0.0
        var since: Int64 = 0
        var target: Int64 = 0
        var speed = 1.0
        var bottleneck: Int32 = -1
        /// Group at the bottleneck when shares were solved.
        var rivals: UInt8 = 0
        var version: Int32 = 0
        var isExplicit = false
        var repetition: Int32 = 0
        var segment: Int32 = -1
    }
    private var runs: [Run]
    private var events = EventQueue<Event>(capacity: 1024)
    private struct Event {
        var task: Int32
        var version: Int32
    }
    // [links] what all tasks under way could take together, and which they are.
    private var potential: [Double]
    private var members: [[Int32]]
    private var sharing: LockStepSharing
    private var dirty: [Int32] = []
    private var marks: [Int32]
    private var mark: Int32 = 0
    private var taskMarks: [Int32]
    private var starting: [Int32] = []
    private var played: PlayedFlows
    private let records: Bool
    private var now: Int64 = 0

    /// `phases`: what becomes of links in the course of the step, in order of time.
    init(_ flows: StepFlows, phases: [LinkPhase] = [], records: Bool) {
        self.flows = flows
        self.phases = phases
        self.records = records
        templates = flows.templates
        graph = flows.tasks
        let count = graph.count
        isUnderWay = Array(repeating: false, count: count)
        unfinished = count
        openCount = Array(repeating: 0, count: count)
        next = Array(repeating: -1, count: count)
        isAtHead = Array(repeating: false, count: count)
        runs = Array(repeating: Run(), count: count)
        taskMarks = Array(repeating: 0, count: count)
        let links = flows.fabric.links.count
        potential = Array(repeating: 0, count: links)
        members = Array(repeating: [], count: links)
        marks = Array(repeating: 0, count: links)
        sharing = LockStepSharing(links: links)
        played = PlayedFlows(
            durations: Array(repeating: 0, count: count), makespan: 0, moved: Array(repeating: 0, count: flows.fabric.keys.count))
        var last = [Int32](repeating: -1, count: graph.streamCount)
        var degree = [Int32](repeating: 0, count: count + 1)
        for task in 0..<count {
            let stream = Int(graph.streams[task])
            if last[stream] >= 0 { next[Int(last[stream])] = Int32(task) } else { isAtHead[task] = true }
            last[stream] = Int32(task)
            for dependency in graph.dependencies(of: TaskID(task)) {
                degree[dependency.task.index + 1] += 1
                openCount[task] += 1
            }
        }
        for task in 0..<count { degree[task + 1] += degree[task] }
        dependentRows = degree
        dependents = Array(repeating: 0, count: Int(degree[count]))
        for task in 0..<count {
            for dependency in graph.dependencies(of: TaskID(task)) {
                dependents[Int(degree[dependency.task.index])] = Int32(task)
                degree[dependency.task.index] += 1
            }
        }
    }

    /// - Parameter closed: [tasks] nanoseconds that each task takes in closed form.
    /// - Throws: `Fault` for a graph that cannot be played to its end.
    mutating func play(_ closed: [Int64]) throws(Fault) -> PlayedFlows {
        for task in 0..<graph.count where isAtHead[task] && openCount[task] == 0 { starting.append(Int32(task)) }
        takeUpPhases(until: 0)
        try startAll(closed)
        settle()
        while unfinished > 0 {
            let time = events.nextTime?.nanoseconds ?? .max
            if nextPhase < phases.count, phases[nextPhase].from <= time {
                now = max(now, phases[nextPhase].from)
                takeUpPhases(until: now)
                settle()
                continue
            }
            guard let (time, event) = events.pop() else { throw stuck() }
            now = time.nanoseconds
            try handle(event)
            while let following = events.nextTime, following.nanoseconds == now, let (_, event) = events.pop() { try handle(event) }
            try startAll(closed)
            settle()
        }
        played.makespan = now
        return played
    }

    private func stuck() -> Fault {
        for task in runs.indices where isUnderWay[task] && runs[task].speed == 0 && runs[task].bottleneck >= 0 {
            let link = flows.fabric.links[Int(runs[task].bottleneck)].link
            return Fault(
                keyPath: "conditions.link_faults",
                reason: "flows wait for ever for \"\(flows.fabric.network.network.name(ofLink: link))\", which is down",
                suggestion: "write until, or reroute: true where there is another way")
        }
        let task = openCount.indices.first { openCount[$0] > 0 || !isAtHead[$0] } ?? 0
        return Fault(reason: "task \(task) of the step never starts")
    }

    // MARK: Links that change

    private mutating func takeUpPhases(until time: Int64) {
        var latest: LinkPhase?
        while nextPhase < phases.count, phases[nextPhase].from <= time {
            latest = phases[nextPhase]
            nextPhase += 1
        }
        if let latest { enter(latest) }
    }

    /// All tasks under way come to now on the old links and go on on the new ones.
    private mutating func enter(_ phase: LinkPhase) {
        let tasks = isUnderWay.indices.filter { isUnderWay[$0] && flows.templateOf[$0] >= 0 }
        for task in tasks { advance(task) }
        templates = flows.variants[phase.variant]
        for link in potential.indices {
            potential[link] = 0
            members[link].removeAll(keepingCapacity: true)
            sharing.room[link] = 1
        }
        for (link, share) in phase.room { sharing.room[Int(link)] = share }
        for task in tasks {
            for (link, usage) in templates[Int(flows.templateOf[task])].footprint {
                potential[Int(link)] += usage
                members[Int(link)].append(Int32(task))
            }
        }
        for task in tasks {
            let isContended = templates[Int(flows.templateOf[task])].footprint.contains { isOverloaded(Int($0.link)) }
            if runs[task].isExplicit {
                runs[task].speed = 1
                runs[task].bottleneck = -1
                schedule(task)
                markDirty(task)
            } else if isContended {
                drop(task)
            }
        }
    }

    private func isOverloaded(_ link: Int) -> Bool { potential[link] > sharing.room[link] + 1e-9 }

    // MARK: Tasks

    private mutating func startAll(_ closed: [Int64]) throws(Fault) {
        var position = 0
        while position < starting.count {
            let task = Int(starting[position])
            position += 1
            try start(task, closed[task])
        }
        starting.removeAll(keepingCapacity: true)
    }

    private mutating func start(_ task: Int, _ closed: Int64) throws(Fault) {
        var run = Run()
        run.start = now
        run.since = now
        let template = flows.templateOf[task]
        run.length = closed
        if template >= 0, closed > 0 {
            let stretch = templates[Int(template)].stretch
            if stretch > 1 { run.length = try nanoseconds(Double(closed) * 1e-9 * stretch) }
        }
        guard run.length < 1 << 52, now < 1 << 61 else {
            throw Fault(reason: "a task of \(run.length) ns is beyond what the clock holds")
        }
        run.target = run.length
        runs[task] = run
        isUnderWay[task] = true
        guard run.length > 0 else { return finish(task) }
        schedule(task)
        guard template >= 0 else { return }
        let footprint = templates[Int(template)].footprint
        guard !footprint.isEmpty else { return }
        var contended = false
        for (link, usage) in footprint {
            let wasFree = !isOverloaded(Int(link))
            potential[Int(link)] += usage
            members[Int(link)].append(Int32(task))
            guard isOverloaded(Int(link)) else { continue }
            contended = true
            if wasFree { for other in members[Int(link)] where Int(other) != task { drop(Int(other)) } }
        }
        if contended { drop(task) }
    }

    /// From the closed form into pieces.
    private mutating func drop(_ task: Int) {
        guard !runs[task].isExplicit, runs[task].length > 0 else { return }
        advance(task)
        runs[task].isExplicit = true
        let template = templates[Int(flows.templateOf[task])]
        // The piece that the position lies in.
        let each = Double(runs[task].length) / Double(template.repeats)
        let repetition = min(template.repeats - 1, Int(runs[task].position / each))
        var segment = 0
        while segment < template.segments.count - 1, runs[task].position >= boundary(task, repetition, segment) { segment += 1 }
        enter(task, repetition, segment)
    }

    private func boundary(_ task: Int, _ repetition: Int, _ segment: Int) -> Double {
        let template = templates[Int(flows.templateOf[task])]
        let isLast = repetition == template.repeats - 1 && segment == template.segments.count - 1
        guard !isLast else { return Double(runs[task].length) }
        return (Double(runs[task].length) * (Double(repetition) + template.segments[segment].end) / Double(template.repeats)).rounded()
    }

    private mutating func enter(_ task: Int, _ repetition: Int, _ segment: Int) {
        runs[task].repetition = Int32(repetition)
        runs[task].segment = Int32(segment)
        runs[task].target = Int64(boundary(task, repetition, segment))
        runs[task].speed = 1
        runs[task].bottleneck = -1
        schedule(task)
        markDirty(task)
    }

    private mutating func markDirty(_ task: Int) {
        guard runs[task].isExplicit, runs[task].segment >= 0 else { return }
        for (link, _) in templates[Int(flows.templateOf[task])].segments[Int(runs[task].segment)].loads { dirty.append(link) }
    }

    private mutating func schedule(_ task: Int) {
        runs[task].version &+= 1
        let left = Double(runs[task].target) - runs[task].position
        // At a dead link: until the link is back.
        if left > 1e-6, runs[task].speed == 0 { return }
        let rest = left / max(runs[task].speed, 1e-12)
        // Rounding of a fraction of a nanosecond must not add one.
        let whole = Int64(min(max(0, (rest - 1e-6).rounded(.up)), 9e17))
        events.schedule(at: Instant(nanoseconds: now + whole), Event(task: Int32(task), version: runs[task].version))
    }

    private mutating func handle(_ event: Event) throws(Fault) {
        let task = Int(event.task)
        guard runs[task].version == event.version else { return }
        advance(task, isEnd: true)
        if runs[task].target >= runs[task].length { return finish(task) }
        let template = templates[Int(flows.templateOf[task])]
        markDirty(task)
        guard template.footprint.contains(where: { isOverloaded(Int($0.link)) }) else {
            runs[task].isExplicit = false
            runs[task].segment = -1
            runs[task].target = runs[task].length
            runs[task].speed = 1
            return schedule(task)
        }
        var (repetition, segment) = (Int(runs[task].repetition), Int(runs[task].segment) + 1)
        if segment == template.segments.count { (repetition, segment) = (repetition + 1, 0) }
        enter(task, repetition, segment)
    }

    /// Moves a task's position to now, and books what it did since.
    private mutating func advance(_ task: Int, isEnd: Bool = false) {
        let run = runs[task]
        let elapsed = now - run.since
        let to = isEnd ? Double(run.target) : min(Double(run.target), run.position + Double(elapsed) * run.speed)
        defer {
            runs[task].position = to
            runs[task].since = now
        }
        let index = flows.templateOf[task]
        guard elapsed > 0, index >= 0, run.length > 0 else { return }
        let template = templates[Int(index)]
        if run.isExplicit, run.segment >= 0 {
            let segment = template.segments[Int(run.segment)]
            guard segment.pattern >= 0 else { return }
            if records { record(segment, share: segment.share, template, run, progress: to - run.position) }
            if run.speed < 1 {
                let group = flows.fabric.keys[segment.pattern].group
                played.waits[FlowWait(group: group, link: run.bottleneck, rivals: run.rivals), default: 0] +=
                    Double(elapsed) * (1 - run.speed)
            }
        } else if records {
            for segment in template.segments where segment.pattern >= 0 {
                record(segment, share: 1, template, run, progress: to - run.position)
            }
        }
    }

    /// `share` of the task's length in which all the segment's bytes move: its own in pieces, the whole where the closed form spreads them.
    private mutating func record(_ segment: TaskTemplate.Segment, share: Double, _ template: TaskTemplate, _ run: Run, progress: Double) {
        let bytes = segment.bytes * progress / (Double(run.length) * share)
        played.intervals.append(
            FlowInterval(
                pattern: Int32(truncatingIfNeeded: segment.pattern), from: run.since, to: now,
                rate: bytes / (Double(now - run.since) * 1e-9)))
    }

    private mutating func finish(_ task: Int) {
        runs[task].version &+= 1
        isUnderWay[task] = false
        unfinished -= 1
        played.durations[task] = now - runs[task].start
        let index = flows.templateOf[task]
        if index >= 0, runs[task].length > 0 { leave(task, templates[Int(index)]) }
        let follower = Int(next[task])
        if follower >= 0 {
            isAtHead[follower] = true
            if openCount[follower] == 0 { starting.append(Int32(follower)) }
        }
        for place in Int(dependentRows[task])..<Int(dependentRows[task + 1]) {
            let dependent = Int(dependents[place])
            openCount[dependent] -= 1
            if openCount[dependent] == 0, isAtHead[dependent] { starting.append(Int32(dependent)) }
        }
    }

    private mutating func leave(_ task: Int, _ template: TaskTemplate) {
        markDirty(task)
        for segment in template.segments where segment.pattern >= 0 { played.moved[segment.pattern] += segment.bytes }
        for (link, usage) in template.footprint {
            potential[Int(link)] -= usage
            if let place = members[Int(link)].firstIndex(of: Int32(task)) {
                members[Int(link)].swapAt(place, members[Int(link)].count - 1)
                members[Int(link)].removeLast()
            }
            if members[Int(link)].isEmpty { potential[Int(link)] = 0 }
        }
        runs[task].isExplicit = false
        runs[task].segment = -1
    }

    // MARK: Shares

    /// Solves anew what hangs together with the links on which flows came or left.
    private mutating func settle() {
        guard !dirty.isEmpty else { return }
        mark &+= 1
        var tasks: [Int] = []
        var position = 0
        while position < dirty.count {
            let link = Int(dirty[position])
            position += 1
            guard marks[link] != mark else { continue }
            marks[link] = mark
            for member in members[link] {
                let task = Int(member)
                guard taskMarks[task] != mark, runs[task].isExplicit, runs[task].segment >= 0 else { continue }
                let segment = templates[Int(flows.templateOf[task])].segments[Int(runs[task].segment)]
                guard segment.loads.contains(where: { Int($0.link) == link }) else { continue }
                taskMarks[task] = mark
                tasks.append(task)
                for (other, _) in segment.loads where marks[Int(other)] != mark { dirty.append(other) }
            }
        }
        dirty.removeAll(keepingCapacity: true)
        guard !tasks.isEmpty else { return }
        tasks.sort()
        let patterns = tasks.map { task in
            let segment = templates[Int(flows.templateOf[task])].segments[Int(runs[task].segment)]
            return LockStepSharing.Pattern(loads: segment.loads, rate: segment.rate)
        }
        let shares = sharing.solve(patterns)
        played.solves += 1
        for (index, task) in tasks.enumerated() where shares[index].speed != runs[task].speed || shares[index].speed < 1 {
            advance(task)
            runs[task].speed = shares[index].speed
            runs[task].bottleneck = shares[index].bottleneck
            runs[task].rivals = rivals(of: task, among: tasks, at: shares[index].bottleneck)
            schedule(task)
        }
    }

    private func rivals(of task: Int, among tasks: [Int], at link: Int32) -> UInt8 {
        var bits: UInt8 = link >= 0 && sharing.room[Int(link)] < 1 ? FlowWait.fault : 0
        for other in tasks where link >= 0 && other != task {
            let segment = templates[Int(flows.templateOf[other])].segments[Int(runs[other].segment)]
            guard segment.pattern >= 0, segment.loads.contains(where: { $0.link == link }) else { continue }
            bits |= 1 << UInt8(flows.fabric.keys[segment.pattern].group.rawValue)
        }
        return bits
    }
}
