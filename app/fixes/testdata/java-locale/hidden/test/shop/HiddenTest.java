package shop;

import java.util.Map;

public final class HiddenTest {
    public static void main(String[] args) {
        Vouchers v = new Vouchers(Map.of("WINTER10", 10, "SUMMER20", 20));
        check(v.of("winter10") == 10, "small letters");
        check(v.of("Winter10 ") == 10, "mixed letters");
        check(v.of("WINTER10") == 10, "capital letters");
        check(v.of("summer20") == 20, "no i");
        check(v.of("winter") == 0, "no voucher");
        check(v.price(1000, "winter10").equals("9.00"), v.price(1000, "winter10"));
        check(v.price(123456, "").equals("1234.56"), v.price(123456, ""));
        System.out.println("ok");
    }

    static void check(boolean ok, String what) {
        if (!ok) {
            throw new AssertionError(what);
        }
    }
}
