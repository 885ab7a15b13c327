import Compression
import Plan
import Scenario

/// What the workers of a run share, and where it lies. Computed alike in every process from the spec.
///
/// Words first (signals), then texts, then numbers, then the buffers that gradients and activations cross in.
struct RunMemory: Sendable {
    /// How often, and between what, kernels are timed.
    struct Options: Sendable, Hashable {
        /// Rounds of timing kernels and then training, so that a drift of the machine meets both.
        var rounds = 2
        var warmUp = 2
        /// Seconds that a piece is timed for in a round; 0: not at all.
        var trialSeconds = 0.02
        /// Seconds after which a worker that waits gives up.
        var patience = 120.0
        var pins = true
        /// Whether steps are run; else kernels alone are timed.
        var trains = true
    }
    enum Signal: Int { case abort, textLength, optionRounds, optionTrial, optionPatience, optionPins, optionWarmUp, optionTrains }
    enum Status: UInt64 { case starting = 0, ready, done, failed }
    /// Counters on which groups of workers meet.
    enum Meeting: Int { case all, data, tied }

    static let headerWords = 64
    static let workerWords = 16
    static let textBytes = 8192
    static let messageBytes = 1024

    let workers: Int
    let steps: Int
    let fields: Int
    let options: Options
    private let plan: RunPlan
    let shared: SharedMemory
    var descriptor: Int32 { shared.descriptor }
    private let socketWord: Int
    private let mailboxWord: Int
    private let numbersAt: Int
    private let trialsAt: Int
    private let slotsAt: Int
    private let slotBytes: Int
    private let sumOffset: Int
    private let tiedOffset: Int
    private let mailboxAt: Int
    private let mailboxBytes: Int

    /// Where things lie, and how many bytes they take.
    private struct Map {
        var socketWord = 0
        var mailboxWord = 0
        var numbersAt = 0
        var trialsAt = 0
        var slotsAt = 0
        var slotBytes = 0
        var sumOffset = 0
        var tiedOffset = 0
        var mailboxAt = 0
        var mailboxBytes = 0
        var bytes = 0

        init(_ plan: RunPlan, _ options: Options) {
            let spec = plan.spec
            // Room for the most workers there can be, so that the text's place does not depend on the spec.
            socketWord = RunMemory.headerWords + 64 * RunMemory.workerWords + (RunMemory.textBytes + 64 * RunMemory.messageBytes) / 8
            mailboxWord = socketWord + spec.workers * spec.workers
            let boxes = spec.data * max(0, plan.model.last) * 2 * spec.microBatches
            func aligned(_ bytes: Int) -> Int { (bytes + 4095) / 4096 * 4096 }
            numbersAt = aligned((mailboxWord + boxes) * 8)
            let steps = options.warmUp + spec.steps
            trialsAt = numbersAt + aligned(spec.workers * steps * StepRecord.count(chunks: spec.virtual) * 8)
            slotsAt = trialsAt + aligned(2 * options.rounds * plan.distinct.count * 8)
            let most = (0..<spec.pipeline).map { plan.gradientElements(rank: $0) }.max() ?? 0
            let message = spec.codec?.compression.codec.encodedSize(count: most).most ?? 0
            let pieces = plan.distinct.map { piece in
                switch piece {
                case .share(let n), .fetch(let n), .reduce(let n, _): n
                default: 0
                }
            }
            // The worker's gradient or message, room for a sum, and the embedding's gradient; trials use the first two.
            sumOffset = aligned(max(4 * most, message, 4 * (pieces.max() ?? 0)) + 64)
            tiedOffset = sumOffset + aligned(max(4 * most, 4 * (pieces.max() ?? 0)) + 64)
            slotBytes = tiedOffset + aligned(4 * plan.embeddingElements + 64)
            let boundary = (0..<plan.model.last).map { plan.model.boundary($0) }.max() ?? 0
            mailboxAt = slotsAt + spec.workers * slotBytes
            mailboxBytes = aligned(4 * boundary)
            bytes = mailboxAt + boxes * mailboxBytes + 4096
        }
    }

    private init(_ plan: RunPlan, _ options: Options, _ shared: SharedMemory, _ map: Map) {
        self.plan = plan
        self.options = options
        self.shared = shared
        workers = plan.spec.workers
        steps = options.warmUp + plan.spec.steps
        fields = StepRecord.count(chunks: plan.spec.virtual)
        (socketWord, mailboxWord, numbersAt, trialsAt) = (map.socketWord, map.mailboxWord, map.numbersAt, map.trialsAt)
        (slotsAt, slotBytes, mailboxAt, mailboxBytes) = (map.slotsAt, map.slotBytes, map.mailboxAt, map.mailboxBytes)
        (sumOffset, tiedOffset) = (map.sumOffset, map.tiedOffset)
    }

    /// - Throws: `ExecutionError` where there is no room.
    init(creating plan: RunPlan, _ options: Options) throws(ExecutionError) {
        let map = Map(plan, options)
        self.init(plan, options, try SharedMemory(creating: map.bytes), map)
        let text = Array(plan.spec.yaml.utf8)
        guard text.count <= Self.textBytes else { throw ExecutionError(.refused, "the model has too many sizes to be passed on") }
        (shared.base + Self.textAt).copyMemory(from: text, byteCount: text.count)
        set(.textLength, UInt64(text.count))
        set(.optionRounds, UInt64(options.rounds))
        set(.optionTrial, options.trialSeconds.bitPattern)
        set(.optionPatience, options.patience.bitPattern)
        set(.optionPins, options.pins ? 1 : 0)
        set(.optionWarmUp, UInt64(options.warmUp))
        set(.optionTrains, options.trains ? 1 : 0)
    }

    /// As a worker finds it.
    static func attached(_ descriptor: Int32) throws(ExecutionError) -> (plan: RunPlan, memory: RunMemory) {
        let shared = try SharedMemory(descriptor: descriptor)
        func word(_ signal: Signal) -> UInt64 { shared.load(signal.rawValue) }
        let damaged = ExecutionError(.refused, "file descriptor \(descriptor) holds no run; orrery execute starts its workers itself")
        let length = Int(clamping: word(.textLength))
        guard shared.bytes > textBytes, length > 0, length <= textBytes else { throw damaged }
        let bytes = UnsafeRawBufferPointer(start: shared.base + textAt, count: length)
        let specs: [ExecutionSpec]
        do throws(ScenarioErrors) { specs = try ExecutionSpec.load(yaml: String(decoding: bytes, as: UTF8.self), file: "run") } catch {
            throw ExecutionError(.refused, "\(error)")
        }
        guard let spec = specs.first else { throw damaged }
        let options = Options(
            rounds: Int(clamping: word(.optionRounds)), warmUp: Int(clamping: word(.optionWarmUp)),
            trialSeconds: Double(bitPattern: word(.optionTrial)), patience: Double(bitPattern: word(.optionPatience)),
            pins: word(.optionPins) == 1, trains: word(.optionTrains) == 1)
        let plan = try RunPlan(spec)
        let map = Map(plan, options)
        guard map.bytes <= shared.bytes else { throw damaged }
        return (plan, RunMemory(plan, options, shared, map))
    }

    // MARK: Signals

    func get(_ signal: Signal) -> UInt64 { shared.load(signal.rawValue) }
    func set(_ signal: Signal, _ value: UInt64) { shared.store(signal.rawValue, value) }
    private func word(_ worker: Int, _ index: Int) -> Int { Self.headerWords + worker * Self.workerWords + index }
    func status(_ worker: Int) -> Status { Status(rawValue: shared.load(word(worker, 0))) ?? .failed }
    func set(_ worker: Int, _ status: Status) { shared.store(word(worker, 0), status.rawValue) }
    /// Step that the worker is at, for messages.
    func step(_ worker: Int) -> Int { Int(clamping: shared.load(word(worker, 1))) }
    func set(_ worker: Int, step: Int) { shared.store(word(worker, 1), UInt64(step)) }
    /// A sign of life; `beats` grows with each of any worker.
    func beat(_ worker: Int) { shared.store(word(worker, 2), shared.load(word(worker, 2)) &+ 1) }
    var beats: UInt64 { (0..<workers).reduce(0) { $0 &+ shared.load(word($1, 2)) } }
    func arrival(_ meeting: Meeting, _ worker: Int) -> UInt64 { shared.load(word(worker, 4 + meeting.rawValue)) }
    func arrive(_ meeting: Meeting, _ worker: Int) {
        beat(worker)
        shared.store(word(worker, 4 + meeting.rawValue), arrival(meeting, worker) + 1)
    }

    // MARK: Connections

    /// Descriptors of a worker's connections, by peer, as its process has them.
    func descriptors(_ worker: Int) -> [Int: Int32] {
        var found: [Int: Int32] = [:]
        for peer in 0..<workers {
            let word = shared.load(socketWord + worker * workers + peer)
            if word > 0 { found[peer] = Int32(truncatingIfNeeded: word) - 1 }
        }
        return found
    }
    func connect(_ worker: Int, _ peer: Int, _ descriptor: Int32) {
        shared.store(socketWord + worker * workers + peer, UInt64(descriptor) + 1)
    }

    // MARK: Texts

    private static let textAt = (headerWords + 64 * workerWords) * 8
    private func messageAt(_ worker: Int) -> Int { Self.textAt + Self.textBytes + worker * Self.messageBytes }

    /// Why a worker failed.
    func message(_ worker: Int) -> String {
        let bytes = UnsafeRawBufferPointer(start: shared.base + messageAt(worker), count: Self.messageBytes)
        return String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
    }
    func fail(_ worker: Int, _ message: String) {
        let bytes = Array(message.utf8.prefix(Self.messageBytes - 1)) + [0]
        (shared.base + messageAt(worker)).copyMemory(from: bytes, byteCount: bytes.count)
        set(worker, .failed)
    }

    // MARK: Numbers

    /// [fields] of a worker's step.
    func record(_ worker: Int, _ step: Int) -> UnsafeMutablePointer<Double> {
        shared.doubles(numbersAt + (worker * steps + step) * fields * 8)
    }
    /// Seconds of each distinct piece, alone or with all workers busy.
    func trials(busy: Bool, _ round: Int) -> UnsafeMutablePointer<Double> {
        shared.doubles(trialsAt + ((busy ? options.rounds : 0) + round) * plan.distinct.count * 8)
    }

    // MARK: Buffers

    /// A worker's own message or gradient.
    func slot(_ worker: Int) -> UnsafeMutablePointer<Float> { shared.floats(slotsAt + worker * slotBytes) }
    func slotBytes(_ worker: Int) -> UnsafeMutableRawPointer { shared.base + slotsAt + worker * slotBytes }
    /// Where the first of a group keeps the sum.
    func sum(_ worker: Int) -> UnsafeMutablePointer<Float> { shared.floats(slotsAt + worker * slotBytes + sumOffset) }
    func embedding(_ worker: Int) -> UnsafeMutablePointer<Float> { shared.floats(slotsAt + worker * slotBytes + tiedOffset) }

    /// A message of a stage boundary: forward or backward, of one micro-batch.
    struct Box: Sendable {
        var replica: Int
        var boundary: Int
        var backward: Bool
        var microBatch: Int
    }
    private func number(_ box: Box) -> Int {
        let spec = plan.spec
        return ((box.replica * plan.model.last + box.boundary) * 2 + (box.backward ? 1 : 0)) * spec.microBatches + box.microBatch
    }
    func tag(_ box: Box) -> UInt64 { SocketTag.box(number(box)) }
    func isFull(_ box: Box, step: Int) -> Bool { shared.load(mailboxWord + number(box)) > UInt64(step) }
    func fill(_ box: Box, step: Int) { shared.store(mailboxWord + number(box), UInt64(step) + 1) }
    func buffer(_ box: Box) -> UnsafeMutablePointer<Float> { shared.floats(mailboxAt + number(box) * mailboxBytes) }
}

/// What a worker notes of a step, by the wall's clock and by the processor's.
enum StepField: Int, CaseIterable {
    case total, forward, backward, straggle, pipelineCopy, pipelineWait, encode, decode, exchange, exchangeWait, optimizer, clear, endWait,
        loss
}

struct StepRecord {
    static func count(chunks: Int) -> Int { 2 * StepField.allCases.count + 3 * chunks }
    static func processor(_ field: StepField) -> Int { StepField.allCases.count + field.rawValue }
    /// Processor seconds of a chunk's passes over all micro-batches.
    static func chunk(_ chunk: Int, _ kind: Instruction.Kind, of chunks: Int) -> Int {
        let row =
            switch kind {
            case .forward: 0
            case .backward: 1
            case .weight: 2
            }
        return 2 * StepField.allCases.count + row * chunks + chunk
    }
}
