import Plan
import Quantities
import Simulation

extension PriceBook {
    /// The bill for what was used. Each part is rounded to a millionth of a dollar once, and the total is their exact sum.
    /// - Throws: `PriceError` for usage or prices that cannot be billed.
    public func bill(for usage: Usage) throws(PriceError) -> Bill {
        guard usage.gpus >= 0, usage.wallClock.nanoseconds >= 0 else {
            throw PriceError("a usage of \(usage.gpus) GPUs for \(usage.wallClock) cannot be billed")
        }
        guard usage.storedMonths.isFinite, usage.storedMonths >= 0, usage.tokens.isFinite, usage.tokens >= 0 else {
            throw PriceError("\(usage.storedMonths) months of storage and \(usage.tokens) tokens must be finite numbers, zero or more")
        }
        guard pue.isFinite, pue >= 1 else {
            throw PriceError("prices.pue is \(pue): facility energy over IT energy is at least 1; write for instance 1.2")
        }
        var bill = Bill()
        bill.gpuHours = usage.gpuHours
        bill.energyKWh = usage.energy.joules / 3.6e6 * pue
        bill.carbonKg = bill.energyKWh * (carbon?.kilogramsPerKilowattHour ?? 0)
        let compute = try money(bill.gpuHours * (try hourly()?.dollarsPerHour ?? 0))
        let energy = try money(bill.energyKWh * (electricity?.dollarsPerKilowattHour ?? 0))
        let terabyteMonths = Double(usage.stored.count) / 1e12 * usage.storedMonths
        let kept = try money(terabyteMonths * (storage?.dollarsPerTerabyteMonth ?? 0))
        let total: Money
        do {
            total = try compute + kept + (chargesEnergy ? energy : .zero)
        } catch { throw PriceError(error.message) }
        bill.computeUSD = exact(compute)
        bill.energyUSD = exact(energy)
        bill.storageUSD = exact(kept)
        bill.totalUSD = exact(total)
        bill.usdPerMillionTokens = usage.tokens > 0 ? bill.totalUSD / (usage.tokens / 1e6) : 0
        return bill
    }

    /// The bill of a simulated run: its GPUs over its wall clock, energy by what they did, and what it keeps in storage meanwhile.
    /// - Throws: `PriceError`, as `bill(for:)` of a usage, and where the power table cannot be read.
    public func bill(for result: RunResult, job: Job) throws(PriceError) -> Bill {
        let wallClock: Duration
        do { wallClock = try Duration(seconds: result.run.wallClockS) } catch { throw PriceError(error.message) }
        let energy = try PowerModel(of: job.cluster.accelerator.generation).energy(of: result, job: job)
        return try bill(
            for: Usage(
                gpus: job.cluster.gpus, wallClock: wallClock, energy: energy, tokens: result.run.tokens, stored: stored ?? .zero,
                storedMonths: result.run.wallClockS / Self.secondsAMonth))
    }

    /// A twelfth of a Julian year.
    static let secondsAMonth = 31_557_600.0 / 12

    private func money(_ dollars: Double) throws(PriceError) -> Money {
        do { return try Money(baseValue: dollars) } catch { throw PriceError(error.message) }
    }
    /// Division is correctly rounded, so a whole number of cents prints as such.
    private func exact(_ money: Money) -> Double { Double(money.microdollars) / 1e6 }
}
