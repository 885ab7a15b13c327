import Kernels

/// Predicted seconds of kernels on one core of this machine.
public protocol CallTimes: Sendable {
    /// Where they come from, for reports.
    var source: String { get }
    /// Seconds of a call while the other cores are idle; nil where nothing is known of its kind.
    func seconds(_ call: KernelCall) -> Double?
}

/// Times that a function gives, for instance the fit of a calibration file.
public struct FittedCallTimes: CallTimes {
    public let source: String
    private let function: @Sendable (KernelCall) -> Double?
    public init(source: String, _ function: @escaping @Sendable (KernelCall) -> Double?) {
        self.source = source
        self.function = function
    }
    public func seconds(_ call: KernelCall) -> Double? { function(call) }
}

/// Seconds of pieces: alone on the machine, and with all workers busy.
struct PieceTimes: Sendable {
    private var alone: [Piece: Double] = [:]
    private var busy: [Piece: Double] = [:]

    /// What the workers timed, and kernels from `times` where given, scaled by what the heaviest suffers when all cores are busy.
    init(_ plan: RunPlan, _ memory: RunMemory, _ times: (any CallTimes)?) throws(ExecutionError) {
        func measured(_ index: Int, busy: Bool) -> Double {
            middleValue((0..<memory.options.rounds).map { memory.trials(busy: busy, $0)[index] })
        }
        let several = memory.workers > 1
        let heaviest = plan.heaviest
        let base = measured(heaviest, busy: false)
        let strain = several && base > 0 ? measured(heaviest, busy: true) / base : 1
        for (index, piece) in plan.distinct.enumerated() {
            if let times, case .kernel(let call) = piece {
                guard let seconds = times.seconds(call) else {
                    throw ExecutionError(.refused, "\(times.source) has no time of \(call); calibrate again, or leave the file out")
                }
                alone[piece] = seconds
                busy[piece] = seconds * strain
            } else {
                alone[piece] = measured(index, busy: false)
                busy[piece] = several ? measured(index, busy: true) : alone[piece]
            }
        }
    }

    /// - Parameter load: mean share of the other workers that are busy.
    func seconds(_ pieces: [Piece], load: Double) -> Double {
        pieces.reduce(0) { sum, piece in
            let (a, b) = (alone[piece] ?? 0, busy[piece] ?? 0)
            return sum + a + load * (b - a)
        }
    }
}
