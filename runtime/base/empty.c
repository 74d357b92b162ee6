typedef int fgi_nothing;
